"""What a search for the best setting has found: from its trials to a recommendation."""
