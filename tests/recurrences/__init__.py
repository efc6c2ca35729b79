"""Recurrences with equations of their own, each in several right forms, and what may be wrong with them."""
