"""direction: to come."""

from rnncheck.property import Family

direction = Family("direction")
