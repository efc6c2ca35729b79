"""mode: to come."""

from rnncheck.property import Family

mode = Family("mode")
