"""What a report shows of a run's record."""

from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from harness.cli.parts.serving_run import ServingRun, _isolation_of, _to_show
from harness.plan.paired.pairing import Pairing, Variant
from harness.record.run_dir import RunDir, TrialRecord
from harness.system.cpu_cores import Isolation
from tests.harness.record.test_run_dir import record

pytestmark = pytest.mark.process  # the record of a machine asks git
URL = "http://h:1/p?api_key=pl4nted&n=1"
NOT_HERE = "the server was not started here: its cores are not known."


def compared(*targets):
    variants = tuple(Variant(name=name, target=target) for name, target in zip("AB", targets, strict=True))
    return replace(record().plan, pairing=Pairing(variants=variants, margin=0.1, budget_s=60.0))


def test_a_server_by_url_is_given_no_cores_and_the_text_says_so():
    plan = record().plan
    ours = _isolation_of(plan)
    assert ours.target_cores
    assert "not started here" not in ours.text
    for by_url in (replace(plan, target=URL), compared(URL, "http://h:2")):
        found = _isolation_of(by_url)
        assert (found.target_cores, found.load_cores, found.isolated) == ((), ours.load_cores, None)
        assert found.text.endswith(NOT_HERE)
        assert "target" not in found.text


def test_of_two_servers_the_one_by_url_is_named():
    ours, mixed = _isolation_of(record().plan), _isolation_of(compared("batched", URL))
    assert mixed.text == f"{ours.text} The server by URL was not started here: its cores are not known."
    assert (mixed.target_cores, mixed.isolated) == (ours.target_cores, ours.isolated)


@pytest.mark.parametrize(
    ("found", "isolated", "cores", "text"),
    [
        ((True, None), True, 1, "as planned"),  # one that could not be asked, beside one that kept to its cores
        ((False, False), False, None, "Load, samplers and harness ran on core 1; the server did not keep to the cores"),
        ((None,), None, None, "Load, samplers and harness ran on core 1; the server is no process that could be found"),
    ],
)
def test_a_target_that_did_not_run_on_the_cores_given_is_not_said_to(tmp_path, found, isolated, cores, text):
    pinned = Isolation(target_cores=(0,), load_cores=(1,), isolated=True, text="as planned")
    folder = RunDir.create(tmp_path / "run")
    folder.write(replace(record(), isolation=pinned.text, isolated=True, target_cores=1))
    for (trial, point, each), seen in zip(folder.trials(record().plan), found, strict=False):
        each.create()
        each.write(TrialRecord(trial=trial, point=point, finished=True, isolated=seen, target_url="http://h:1"))
    ServingRun(folder)._keep_found(SimpleNamespace(cards={}), pinned)
    kept = folder.read()
    assert (kept.isolated, kept.target_cores) == (isolated, cores)
    assert kept.isolation.startswith(text)


def test_a_secret_in_the_query_of_the_target_is_not_shown():
    kept = record()
    kept = replace(kept, plan=replace(kept.plan, target=URL), command_line=f"run --target '{URL}' --seconds 1s")
    shown = _to_show(kept)
    assert shown.plan.target == "http://h:1/p?api_key=...&n=1"
    assert shown.command_line == "run --target 'http://h:1/p?api_key=...&n=1' --seconds 1s"
    assert kept.plan.target == URL
