"""A test whose plan was registered before its results: both losses tuned alike, on real data."""
