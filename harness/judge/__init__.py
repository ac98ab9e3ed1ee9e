"""Turns a run's records into figures, findings and a recommendation."""
