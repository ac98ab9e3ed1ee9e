"""What requests carry and how responses are checked."""
