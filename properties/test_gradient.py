"""The gradient family of the catalog, fuzzed."""

from properties.suite import suite

test_gradient = suite("gradient")
