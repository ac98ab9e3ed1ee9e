"""What a report shows of a run's record."""

import pytest
from msgspec.structs import replace

from harness.cli.parts.serving_run import _to_show
from tests.harness.record.test_run_dir import record

pytestmark = pytest.mark.process  # the record of a machine asks git
URL = "http://h:1/p?api_key=pl4nted&n=1"


def test_a_secret_in_the_query_of_the_target_is_not_shown():
    kept = record()
    kept = replace(kept, plan=replace(kept.plan, target=URL), command_line=f"run --target '{URL}' --seconds 1s")
    shown = _to_show(kept)
    assert shown.plan.target == "http://h:1/p?api_key=...&n=1"
    assert shown.command_line == "run --target 'http://h:1/p?api_key=...&n=1' --seconds 1s"
    assert kept.plan.target == URL
