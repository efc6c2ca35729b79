"""``python -m rnncheck``."""

from rnncheck.faces.cli import main

main()
