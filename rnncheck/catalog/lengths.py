"""lengths: to come."""

from rnncheck.property import Family

lengths = Family("lengths")
