"""The one door for files: read with types and limits, written whole or not at all."""
