"""Load that streams chat completions."""
