"""The client's side of the protocols: writes requests, reads responses, finds out which protocol a server speaks."""
