"""clip: to come."""

from rnncheck.property import Family

clip = Family("clip")
