"""What a subject offers: found by its signatures, and by small calls."""
