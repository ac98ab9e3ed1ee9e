"""The load process: one event loop that drives all users, and what ties it to Locust."""
