"""Property-based verification and shape checking for recurrent networks in PyTorch."""
