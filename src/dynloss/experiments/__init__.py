"""What the paper's experiments are made of: tasks (data and network), and the plane of T and A, swept in stages."""
