"""Checks inside code that runs: decorators, agreement with a reference, watching a training run."""
