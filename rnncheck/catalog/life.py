"""life: to come."""

from rnncheck.property import Family

life = Family("life")
