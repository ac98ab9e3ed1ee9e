"""The command line, one module per verb. The composition root: it alone may import every folder."""
