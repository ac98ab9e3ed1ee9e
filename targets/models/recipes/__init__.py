"""The recipes of the reference models, one module per model family."""
