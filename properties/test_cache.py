"""The cache family of the catalog, fuzzed."""

from properties.suite import suite

test_cache = suite("cache")
