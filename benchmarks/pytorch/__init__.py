"""Speed and memory of PyTorch models with rectifier's activations."""
