"""The load process: one event loop that drives all users, inside Locust."""
