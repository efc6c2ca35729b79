"""The number of the JSON report's schema; one that is higher is from a newer rnncheck."""

SCHEMA = 1
