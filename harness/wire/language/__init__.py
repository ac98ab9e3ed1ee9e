"""Language models: what requests ask of them, and how their responses are read, for each API that servers offer."""
