"""gradient: to come."""

from rnncheck.property import Family

gradient = Family("gradient")
