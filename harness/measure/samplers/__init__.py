"""The samplers: a process of its own that reads CPU, memory and GPU while a trial runs."""
