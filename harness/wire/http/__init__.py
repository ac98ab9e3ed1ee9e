"""The protocols over HTTP, without any I/O."""
