"""What the verbs share: options, progress and the frame of a run."""
