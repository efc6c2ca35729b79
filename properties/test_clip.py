"""The clip family of the catalog, fuzzed."""

from properties.suite import suite

test_clip = suite("clip")
