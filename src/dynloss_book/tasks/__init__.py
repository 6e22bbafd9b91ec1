"""What several figures train on: the spiral, CIFAR-10, digits, and the plane of T and A in stages."""
