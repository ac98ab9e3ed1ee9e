"""Which trial comes next: a fixed grid, a race within a budget, a search for capacity."""
