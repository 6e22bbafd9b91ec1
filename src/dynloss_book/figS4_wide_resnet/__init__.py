"""Figure S4: a wide residual network."""
