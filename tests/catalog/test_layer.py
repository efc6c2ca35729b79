"""layer.*: what the property catches; tests/catalog/test_killed.py tries it."""

KILLS = {"layer.stack": "input-ne-hidden"}
MORE = [("layer.stack", bug) for bug in ("hn-direction-major", "own-coupled-gates", "bilstm-rewriter")]
