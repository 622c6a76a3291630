"""What stands behind tensors: kernels, operators, derivatives. `rectifier.torch` is for users."""
