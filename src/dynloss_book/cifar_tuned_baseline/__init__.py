"""Whether the gain is more than missing regularisation."""
