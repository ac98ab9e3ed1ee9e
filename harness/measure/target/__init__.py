"""Starts and stops what is measured."""
