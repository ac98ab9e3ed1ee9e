"""Numbers computed from the records of a trial."""
