"""Plans that compare two variants of a target."""
