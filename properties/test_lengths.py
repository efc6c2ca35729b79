"""The lengths family of the catalog, fuzzed."""

from properties.suite import suite

test_lengths = suite("lengths")
