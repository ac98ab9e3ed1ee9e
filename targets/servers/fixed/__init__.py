"""`fixed`: a server whose delays and faults are known."""
