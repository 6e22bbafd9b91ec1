"""Figure 1: accuracy on CIFAR-10 over period and amplitude."""
