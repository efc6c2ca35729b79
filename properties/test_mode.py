"""The mode family of the catalog, fuzzed."""

from properties.suite import suite

test_mode = suite("mode")
