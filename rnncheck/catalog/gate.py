"""gate: to come."""

from rnncheck.property import Family

gate = Family("gate")
