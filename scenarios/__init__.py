"""Locust files: what users send, and how responses are checked."""
