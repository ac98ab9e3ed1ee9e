"""The machine of a run: its hardware, its software, and what a load process can do on it."""
