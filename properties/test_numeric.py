"""The numeric family of the catalog, fuzzed."""

from properties.suite import suite

test_numeric = suite("numeric")
