"""The files of a run: all that passes from measuring to judging."""
