"""The Keras trainer: a recipe, the training knobs, and a fit that leaves a row per epoch.

Importing this imports no deep-learning library.
"""
