"""Workers of a master: orders, files, clocks and the barrier at the end."""
