"""What a whole run says: the recommendation and what stands beside it."""
