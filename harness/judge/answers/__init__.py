"""Answers to the questions of a whole run: the recommendation, and comparisons of its settings."""
