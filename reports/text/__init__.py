"""Reports as plain text: for a terminal, a log and the summary of a CI service."""
