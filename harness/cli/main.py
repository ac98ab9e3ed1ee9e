"""The verbs, loaded only when they are called, and the one place where errors become exit codes."""

from __future__ import annotations

import importlib
import os
import sys

import click

from harness import __version__
from harness.cli.parts.command_line import as_typed, names_given_file, program, require_utf8
from harness.cli.parts.plain_output import allow_plain_output, warn_of_lost_output
from harness.cli.parts.system_limits import require_address_space, require_current_folder, require_proc
from harness.clock import monotonic_ns
from harness.errors import ExitCode, SweepspotError, UserError, escaped, shortened
from harness.system.ending_signals import reset_signals
from harness.system.named_secrets import hidden_query_secrets, without_named_secrets

Resolved = tuple[str | None, click.Command | None, list[str]]

# verb: first line of its help. The module of the same name in harness/cli, or in a folder of it, holds `command`.
VERBS = {
    "sweep": "Sweep one or more knobs and recommend the best setting.",
    "run": "Measure one point.",
    "tune": "Find the best of thousands of settings within a limit.",
    "capacity": "Find the highest rate that keeps the latency limit.",
    "locust": "Run Locust as it is, and report what its users met.",
    "train": "Train a model, with its curves, and test it.",
    "report": "Make the report of a run again from its rows.",
    "simulate": "Predict what more replicas and stages would do, from a run's batches.",
    "baseline": "Keep the figures of a run in a small file, for `gate`.",
    "gate": "Say whether a run is worse than a baseline: for CI.",
    "history": "Show the figures of many runs over time, and where they changed.",
    "plan": "Say how many replicas keep a latency limit at a rate, from a run.",
    "compare": "Compare two variants, measured in turn, or two runs: worse, not worse, or it cannot be said.",
    "knobs": "List every knob: unit, default, legal values, owner.",
    "serve": "Run an embedded target in the foreground, for any client.",
    "worker": "Take part in the load of a run on another machine.",
    "prepare": "Train a reference model, if it is not in the cache.",
    "calibrate": "Check the load generator against servers whose true figures are known.",
    "completion": "Print the lines that make a shell complete this command.",
    "clean": "Remove caches, environments and runs; it asks first.",
}

FOLDERS = {
    "report": "runs",
    "simulate": "runs",
    "plan": "runs",
    "baseline": "runs",
    "gate": "runs",
    "history": "runs",
    "completion": "upkeep",
    "clean": "upkeep",
}

LIGHT = ("completion", "clean", "knobs")  # verbs that load no large library

# The option that gives the subject of an error.
OPTIONS = {
    "server": "--target",
    "model": "--model",
    "protocol": "--protocol",
    "payloads": "--bank",
    "prompts": "--prompts",
    "expectation": "--expect:",
    "certificate authority": "--tls-ca",
    "token file": "--token-file",
}


class Verbs(click.Group):
    """A group whose commands are imported on use, so that --help stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order a user meets them."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's own module; None where there is none (click names the nearest)."""
        del ctx
        if cmd_name not in VERBS:
            return None
        if cmd_name not in LIGHT and not {"-h", "--help"}.intersection(sys.argv):
            require_address_space()
            require_proc()
        command: click.Command = importlib.import_module(module_of(cmd_name)).command
        command.help = as_typed(command.help or "")
        for param in command.params:
            if isinstance(param, click.Option):
                param.help = as_typed(param.help or "")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest verb where the given one is unknown."""
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            from harness.errors import unknown_name

            raise unknown_name("command", args[0], VERBS)
        return super().resolve_command(ctx, args)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help with the program's name as the user typed it."""
        self.help = as_typed(self.help or "")
        super().format_help_text(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from the table above, without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def module_of(verb: str) -> str:
    """The module that holds the command of this name."""
    return ".".join(("harness.cli", *filter(None, (FOLDERS.get(verb),)), verb))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="sweepspot")
def cli() -> None:
    """Sweepspot finds the sweet spot of a deep-learning model server under high concurrency.

    \b
    python -m harness sweep batch_size                  which batch size serves best here?
    python -m harness sweep batch_size --slo 'p99<20ms' ... within a latency limit
    python -m harness tune --slo 'p99<20ms'             ... of everything that can be turned
    python -m harness run --target http://127.0.0.1:8000 --concurrency 32
    python -m harness serve batched --port 8000 batch_size=32

    Exit codes: 0 done; 2 the command line is wrong; 3 the run failed; 4 the measurement is INVALID;
    5 no setting meets --slo; 6 a compared variant or run is worse; 7 the target did not serve for a part of the time;
    8 it cannot be said yet which setting is best, or whether --slo holds; 130 interrupted. Everything measured
    is in the run directory in every case.
    """  # noqa: D301  (\b is click's mark for a block kept as it is)


def main() -> int:
    """Run the command line and return its exit code."""
    allow_plain_output()
    reset_signals()
    code = _run()
    warn_of_lost_output()
    return code


def _run() -> int:
    try:
        require_utf8(sys.argv[1:], os.environ.get("TMPDIR", ""))
        require_current_folder()
        sys.argv[1:] = without_named_secrets(sys.argv[1:])
        result = cli.main(prog_name=program(), standalone_mode=False, obj=monotonic_ns())
    except SweepspotError as error:
        text = error.message(OPTIONS) if isinstance(error, UserError) else str(error)
        print(f"error: {escaped(hidden_query_secrets(as_typed(text)))}", file=sys.stderr)
        return error.exit_code
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        see = f" (see: {context.command_path} --help)" if context else ""
        print(f"error: {error.format_message()}{see}", file=sys.stderr)
        return ExitCode.USAGE
    except OSError as error:
        if not names_given_file(error, sys.argv[1:]):
            raise
        print(f"error: {shortened(str(error.filename))}: {error.strerror}", file=sys.stderr)
        return ExitCode.USAGE
    except MemoryError as error:
        print(f"error: there is not enough memory ({error or 'for this data'})", file=sys.stderr)
        return ExitCode.RUN_FAILED
    except (click.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    return result if isinstance(result, int) else ExitCode.OK
