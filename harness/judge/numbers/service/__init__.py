"""How a target served: in time, user by user, and from the first request to the last."""
