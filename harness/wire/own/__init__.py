"""Requests of the user's own to services of any kind, and what a good response to them is."""
