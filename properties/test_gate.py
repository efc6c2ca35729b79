"""The gate family of the catalog, fuzzed."""

from properties.suite import suite

test_gate = suite("gate")
