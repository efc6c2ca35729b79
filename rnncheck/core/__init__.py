"""The nouns, frozen: configurations, cases, subjects, properties, observations, verdicts."""
