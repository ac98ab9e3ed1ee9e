"""Training as something to tune: trainers, their plans, what a fit leaves behind, and what it is worth."""
