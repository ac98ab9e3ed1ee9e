"""The figures of trials and points."""
