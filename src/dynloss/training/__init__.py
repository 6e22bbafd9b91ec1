"""Training: gradient descent with a dynamical loss, and what is recorded on the way."""
