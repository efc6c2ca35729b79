"""numeric: to come."""

from rnncheck.property import Family

numeric = Family("numeric")
