"""`harness train`: train one setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from harness.cli.parts.option_types import SEED
from harness.cli.parts.options import RESUME_OPTION, TARGET_ACCURACY_OPTION
from harness.errors import UserError
from harness.training.plan import DEFAULT_MODEL

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("knobs", nargs=-1, metavar="[KNOB=VALUE]...")
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="The model to train.")
@click.option(
    "--seeds", type=click.IntRange(1, 100), default=1, show_default=True, help="How many seeds to train from."
)
@click.option("--seed", type=SEED, default=1, show_default=True, help="The first of them.")
@TARGET_ACCURACY_OPTION
@click.option("--out", type=click.Path(), default=None, help="The run directory.  [default: results/<date>-train]")
@click.option("--dry-run", is_flag=True, help="Print the plan; train nothing.")
@RESUME_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
def command(knobs: tuple[str, ...], seeds: int, resume: Path | None, **given: Any) -> int:
    """Train a model on its real data, watch it, and print its loss and accuracy on the test examples.

    The default is the worked example: Dense 64 - 32 - 10 with dropout on handwritten digits, Adam, 50 epochs.
    `harness knobs training` lists what can be turned; `harness sweep` compares several values.

    \b
    python -m harness train
    python -m harness train learning_rate=0.01 epochs=20 --seeds 3
    python -m harness train --model digits-cnn --target-accuracy 0.97
    """  # noqa: D301
    from harness.cli.parts.open_run import resume_run
    from harness.cli.parts.training_run import asks_for_training, train, training_plan

    if resume is not None:
        return resume_run(resume, as_json=given["as_json"])
    several = [word for word in knobs if "=" not in word or "," in word]
    if several:
        raise UserError(f"{several[0]}: `train` takes one value for each knob (name=value); `sweep` takes several")
    asks_for_training(knobs)
    return train(training_plan(knobs, seeds, given), given)
