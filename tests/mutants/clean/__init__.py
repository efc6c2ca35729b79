"""Layers without a bug: what the planted ones are made of, and the control beside them."""
