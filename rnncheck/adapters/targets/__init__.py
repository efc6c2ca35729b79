"""From the name of a target to a subject."""
