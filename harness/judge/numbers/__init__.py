<<<<<<< HEAD
"""Numbers computed from the records of a trial."""
=======
"""The figures of trials and points."""
>>>>>>> main
