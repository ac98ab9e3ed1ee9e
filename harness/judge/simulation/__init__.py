"""A discrete-event model of the batched target: what more replicas and stages would do, from what one run measured."""
