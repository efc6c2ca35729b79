"""The state family of the catalog, fuzzed."""

from properties.suite import suite

test_state = suite("state")
