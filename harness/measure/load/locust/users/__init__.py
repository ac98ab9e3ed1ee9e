"""User classes of Locust, and the requests of other clients."""
