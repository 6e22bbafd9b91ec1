"""What several figures draw with: each function takes a data set and returns a matplotlib figure."""
