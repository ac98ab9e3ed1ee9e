"""The client's side of the protocols: requests from payloads, answers to numbers, and which protocol a URL speaks."""
