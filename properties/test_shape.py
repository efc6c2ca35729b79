"""The shape family of the catalog, fuzzed."""

from properties.suite import suite

test_shape = suite("shape")
