"""What the harness asks of the operating system: processes, cores, timers, temporary folders."""
