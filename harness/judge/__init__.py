"""From what was recorded to numbers, doubts and a recommendation."""
