"""The squared error, and the kernel's map of the outputs."""
