"""Why the cascades happen, 1: the edge of stability of each optimiser."""
