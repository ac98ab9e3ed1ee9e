<<<<<<< HEAD
"""Judging: records in, numbers and doubts out."""
=======
"""Turns a run's records into figures, findings and a recommendation."""
>>>>>>> main
