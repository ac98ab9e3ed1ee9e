"""The inference protocols, without I/O."""
