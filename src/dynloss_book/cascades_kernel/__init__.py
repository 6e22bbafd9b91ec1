"""Why the cascades happen, 3: the neural tangent kernel."""
