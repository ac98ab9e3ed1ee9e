"""The data sets of the reference models, from installed packages. Importing this imports none of their libraries."""
