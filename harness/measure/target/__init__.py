"""Starts, reaches and stops what is measured."""
