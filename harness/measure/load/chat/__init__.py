"""The load of servers that stream chat completions."""
