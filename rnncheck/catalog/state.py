"""state: to come."""

from rnncheck.property import Family

state = Family("state")
