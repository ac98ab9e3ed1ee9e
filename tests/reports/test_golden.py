"""What a run says in full, on the terminal and in summary.md, beside golden files that `pytest --update` rewrites."""

import example_runs as example
import pytest

from reports.text.summary_md import summary_markdown
from reports.text.terminal_text import result_text


@pytest.mark.parametrize("name", example.EXAMPLES)
def test_the_terminal(name, golden):
    golden(f"{name}.txt", result_text(example.EXAMPLES[name](), terminal=False))


@pytest.mark.parametrize("name", example.EXAMPLES)
def test_the_summary(name, golden):
    golden(f"{name}.md", summary_markdown(example.EXAMPLES[name]()))
