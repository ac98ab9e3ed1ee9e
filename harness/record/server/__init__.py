"""What a server says of its own work: the readings of a trial, and the names that kinds of servers use."""
