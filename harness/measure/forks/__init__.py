"""Processes of a trial as forks of processes that live for the whole run and have imported everything."""
