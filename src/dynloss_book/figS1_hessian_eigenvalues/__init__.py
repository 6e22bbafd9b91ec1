"""Figure S1: three eigenvalues of the Hessian."""
