"""Preprocessing: the steps from a raw item to the model's input, and where they run. Importing this is cheap."""
