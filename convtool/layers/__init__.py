"""What a run computes: kernels on pictures, layer by layer."""
