"""The Keras trainer: its knobs, and a fit that writes one row per epoch. Importing this imports nothing heavy."""
