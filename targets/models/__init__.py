"""The reference models: recipes, training, the cache of trained models, and their offline predictions."""
