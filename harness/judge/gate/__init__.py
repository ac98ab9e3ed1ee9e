"""A run against a baseline: worse, not worse, or it cannot be said."""
