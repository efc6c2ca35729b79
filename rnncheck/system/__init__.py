"""This process and those beside it: forks, signals, ends, what is left over. None of it needs torch."""
