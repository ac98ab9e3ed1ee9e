"""`fixed`: a server with known delays and injected faults."""
