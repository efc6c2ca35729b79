"""Situations made by hand, in plain torch, in which each planted bug differs from its clean twin."""
