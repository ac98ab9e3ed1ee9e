"""Locust files: what users send, and how answers are checked."""
