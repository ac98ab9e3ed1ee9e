"""The inference protocols, without any I/O."""
