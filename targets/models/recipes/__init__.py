"""The reference models, a module for each family."""
