"""This torch on this machine: its devices, its backend switches, its global state."""
