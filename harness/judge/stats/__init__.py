"""Statistical formulas: pure functions over NumPy arrays that know no project type but `Interval`."""
