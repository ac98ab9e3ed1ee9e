"""What a whole run says: the recommendation, and comparisons of its settings."""
