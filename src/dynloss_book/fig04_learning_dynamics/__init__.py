"""Figure 4: one run, with Hessian and kernel."""
