"""A small language model: its text, its training, its decoding, and the scheduler that batches sequences."""
