"""Real data for the reference models, out of installed packages. Importing this imports no library of theirs."""
