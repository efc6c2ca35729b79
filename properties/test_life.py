"""The life family of the catalog, fuzzed."""

from properties.suite import suite

test_life = suite("life")
