"""Judge recurrent layers of real packages, and write docs/found.md: ``python -m found``."""
