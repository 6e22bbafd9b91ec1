"""Figure S2: cascades of a convolutional network."""
