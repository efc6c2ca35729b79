"""Foreign knowledge: how each kind of target is built, loaded and called, and what it turns out to claim."""
