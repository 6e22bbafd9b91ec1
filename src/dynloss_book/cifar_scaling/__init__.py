"""Whether the gain grows with the scale."""
