"""Figure 3 under other interpretations of the text."""
