"""What will be measured: knobs, load, scenario and target, decided before a run begins."""
