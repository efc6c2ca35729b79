"""The time family of the catalog, fuzzed."""

from properties.suite import suite

test_time = suite("time")
