"""Runs one trial: target, load and samplers. It computes no figure."""
