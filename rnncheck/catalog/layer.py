"""layer: to come."""

from rnncheck.property import Family

layer = Family("layer")
