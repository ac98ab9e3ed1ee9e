"""How a sweep within a budget decides: the history of its trials, the chances of its points, the decision."""
