"""The direction family of the catalog, fuzzed."""

from properties.suite import suite

test_direction = suite("direction")
