"""What others did to the machine during a trial, and the time that is left to measure by."""
