"""Training runs: what is trained, how each fit is run and recorded, and how its results are judged."""
