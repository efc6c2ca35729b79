"""layout.*: what each property catches; tests/catalog/test_killed.py tries it."""

KILLS = {
    "layout.batch_first": "hidden-scattered-on-dim0",
    "layout.square": "own-square-not-transposed",
    "layout.gradient": "own-batch-first-gradient-reshaped",
    "layout.strides": "own-input-assumed-contiguous",
    "layout.no_mutation": "weights-destroyed",
    "layout.no_alias": "own-state-is-view-of-output",
    "layout.fresh_memory": "own-zeroed-by-product",
}
MORE = [
    ("layout.batch_first", "reshape-batch-time"),
    ("layout.gradient", "own-square-not-transposed"),
    ("layout.strides", "own-state-assumed-contiguous"),
    ("layout.no_mutation", "forward-mutates-params"),
    ("layout.no_mutation", "own-input-cleaned-in-place"),
    ("layout.no_mutation", "own-input-requires-grad"),
    ("layout.no_mutation", "own-gradients-cleared-by-forward"),
    ("layout.no_mutation", "own-version-bumped"),
    ("layout.fresh_memory", "own-added-to-fresh-memory"),
    ("layout.no_alias", "own-one-step-output-is-state"),
]
RAISES = ("layout.strides",)
"""Where the bug is a read past the end of the memory, torch itself raises."""
