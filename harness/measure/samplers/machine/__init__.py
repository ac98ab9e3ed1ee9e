"""Readers of the machine: its cores, who else runs on them, memory, GPUs and energy."""
