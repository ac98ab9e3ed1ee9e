"""What happens to data between the user and the model: steps, and where they run. Importing this is cheap."""
