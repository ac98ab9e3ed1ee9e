"""The figures of many runs over time."""
