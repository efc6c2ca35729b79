"""reject: to come."""

from rnncheck.property import Family

reject = Family("reject")
