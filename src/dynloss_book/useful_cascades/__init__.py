"""Whether cascades are useful."""
