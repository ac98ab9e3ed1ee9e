"""Computes the figures of trials and points from rows and samples."""
