"""Judging: records in, numbers and doubts out."""
