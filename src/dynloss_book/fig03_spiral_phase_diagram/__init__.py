"""Figure 3: accuracy on the spiral over period and amplitude."""
