"""agree: to come."""

from rnncheck.property import Family

agree = Family("agree")
