"""The layer family of the catalog, fuzzed."""

from properties.suite import suite

test_layer = suite("layer")
