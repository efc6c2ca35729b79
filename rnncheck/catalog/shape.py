"""shape: to come."""

from rnncheck.property import Family

shape = Family("shape")
