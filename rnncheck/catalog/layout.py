"""layout: to come."""

from rnncheck.property import Family

layout = Family("layout")
