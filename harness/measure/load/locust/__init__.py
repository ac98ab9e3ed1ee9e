"""The load inside Locust: users, options, master and workers."""
