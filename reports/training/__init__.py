"""The page of a training run, and the columns of its points. Nothing is computed here."""
