"""Why the cascades happen, 2: the two-step map."""
