"""The argument family of the catalog, fuzzed."""

from properties.suite import suite

test_argument = suite("argument")
