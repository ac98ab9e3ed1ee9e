"""How the target behaved over the time of a trial: outages, slow-downs, users that it serves unequally."""
