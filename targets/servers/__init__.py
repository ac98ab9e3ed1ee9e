"""The embedded HTTP servers, and the protocol layer they share."""
