"""Checks the load generator against servers that log what truly happened."""
