"""weights: to come."""

from rnncheck.property import Family

weights = Family("weights")
