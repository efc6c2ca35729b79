"""``python -m rnncheck``."""

from rnncheck.faces.cli import supervised_main

supervised_main()
