"""Whether the gain of Figure 1 is more than what the static loss loses at the paper's learning rate."""
