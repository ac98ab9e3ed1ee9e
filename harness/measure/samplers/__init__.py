"""Samples CPU, memory and GPU while a trial runs, in a process of its own."""
