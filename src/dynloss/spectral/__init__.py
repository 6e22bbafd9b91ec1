"""Spectra of the Hessian and of the neural tangent kernel, without forming the matrices."""
