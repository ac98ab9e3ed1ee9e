"""A small language model: its text, its training, its steps, and the scheduler that batches sequences.

Importing this imports nothing heavy.
"""

from __future__ import annotations

from targets.generation.recipe import RECIPES

__all__ = ["RECIPES"]
