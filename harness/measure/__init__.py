"""Makes one trial happen."""
