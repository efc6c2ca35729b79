"""The batch family of the catalog, fuzzed."""

from properties.suite import suite

test_batch = suite("batch")
