"""Decides which trial comes next and runs it."""
