"""Chooses the next setting to try, from what the settings tried so far have shown. No I/O and no clock."""
