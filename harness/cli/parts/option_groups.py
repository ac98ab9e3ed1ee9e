"""The options of `sweep`, `run` and `capacity` in groups, as `--help` lists them."""

from __future__ import annotations

import click

from harness.plan.load_options import ARRIVALS, CHAT

GROUPS = {
    "What to measure": (
        *("--target", "--model", "--scenario", "--protocol", "--reference", "--bank", "--shape", "--metrics"),
    ),
    "Requests of your own": ("--method", "--proto", "--body", "--form", "--data"),
    "How long and how often": (
        *("--budget", "--repeats", "--seconds", "--warmup", "--precision", "--max-seconds", "--seeds", "--seed"),
    ),
    "Load": (
        *("--concurrency", *(option.flag for option in ARRIVALS), "--max-in-flight", "--locust"),
        *("--load-processes", "--workers", "--bind", "--isolate"),
    ),
    "What counts as good": (
        *("--slo", "--price-per-hour", "--target-accuracy", "--check", "--expect", "--tolerance"),
        *("--timeout", "--connect-timeout", "--first-byte-timeout"),
    ),
    "Conversations (chat)": tuple(option.flag for option in CHAT),
    "Security": ("--tls-ca", "--token-file", "--header"),
}
OTHERS = "Plan and result"


class GroupedCommand(click.Command):
    """A command whose help lists its options in `GROUPS`, and those of no group last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each group that has options here."""
        records: dict[str, tuple[str, str]] = {}
        for param in self.get_params(ctx):
            if isinstance(param, click.Option) and (record := param.get_help_record(ctx)) is not None:
                records[param.opts[-1]] = record
        for title, flags in GROUPS.items():
            found = [records.pop(flag) for flag in flags if flag in records]
            if found:
                with formatter.section(title):
                    formatter.write_dl(found)
        with formatter.section(OTHERS):
            formatter.write_dl(list(records.values()))
