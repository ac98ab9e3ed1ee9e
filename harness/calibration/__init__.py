"""Does the load generator tell the truth? Driven against servers that log what truly happened."""
