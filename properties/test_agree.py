"""The agree family of the catalog, fuzzed."""

from properties.suite import suite

test_agree = suite("agree")
