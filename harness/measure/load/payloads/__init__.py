"""The payloads that requests carry, and the check of responses."""
