"""The capacity of a setting: the highest rate at which it keeps its limits."""
