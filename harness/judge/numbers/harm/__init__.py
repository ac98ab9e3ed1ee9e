"""Which part of a trial others harmed, and what is left of it."""
