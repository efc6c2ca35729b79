"""The weights family of the catalog, fuzzed."""

from properties.suite import suite

test_weights = suite("weights")
