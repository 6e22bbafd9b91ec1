"""Figure S3: what stopping the oscillations adds."""
