"""The graph family of the catalog, fuzzed."""

from properties.suite import suite

test_graph = suite("graph")
