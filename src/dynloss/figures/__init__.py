"""Plots: each takes a data set and returns a matplotlib figure."""
