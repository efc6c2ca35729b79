"""The layout family of the catalog, fuzzed."""

from properties.suite import suite

test_layout = suite("layout")
