"""Figure 2: the spiral data."""
