"""How many replicas a rate needs, from what one run measured of one replica."""
