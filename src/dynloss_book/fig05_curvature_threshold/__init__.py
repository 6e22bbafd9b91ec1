"""Figure 5: the curvature at which cascades begin, over the learning rate."""
