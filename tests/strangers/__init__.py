"""Recurrent layers as different people write them, each right, and each with two mistakes."""
