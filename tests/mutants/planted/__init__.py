"""Bugs, each planted in a clean layer, function or step; a file holds those that break one thing."""
