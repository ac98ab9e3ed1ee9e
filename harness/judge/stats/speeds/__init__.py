"""How fast each point of a sweep is: what its trials make most likely, and how likely everything else is."""
