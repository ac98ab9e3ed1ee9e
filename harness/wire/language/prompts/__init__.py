"""Prompts of ours: their words, how many tokens these are, and the form that a server takes."""
