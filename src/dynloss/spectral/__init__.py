"""Spectra of the Hessian and of the neural tangent kernel, without forming the matrices."""

from dynloss import submodules

__getattr__ = submodules(__name__)
