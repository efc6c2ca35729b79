"""How a module is called, and what of its result is output and state: one experiment a file, which read.py puts together."""
