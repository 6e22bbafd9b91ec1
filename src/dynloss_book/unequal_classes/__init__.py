"""Classes of unequal size."""
