"""One property on one case: judge it, make a failing case small, explain it."""
