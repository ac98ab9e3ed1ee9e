"""The embedded servers, and the protocol layer that they share."""
