"""Other waveforms, orders and optimisers."""
