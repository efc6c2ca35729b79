"""batch: to come."""

from rnncheck.property import Family

batch = Family("batch")
