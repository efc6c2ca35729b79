"""One subject on one case: its runs, its errors, and the tolerance that holds for them."""
