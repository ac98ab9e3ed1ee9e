"""Pure functions over NumPy arrays: no project types, no files, no clocks."""
