"""Training: gradient descent with a dynamical loss, and what is recorded on the way."""

from dynloss import submodules

__getattr__ = submodules(__name__)
