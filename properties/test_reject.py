"""The reject family of the catalog, fuzzed."""

from properties.suite import suite

test_reject = suite("reject")
