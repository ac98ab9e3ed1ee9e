"""One declaration of each load setting: from text to the file that the load process reads."""

import json
from pathlib import Path

import click
import msgspec
import pytest

from harness.cli.parts.options import load_options
from harness.errors import UserError
from harness.measure.load_command import SETTINGS as SETTINGS_FILE
from harness.measure.load_command import load_command
from harness.measure.target.endpoint import Endpoint
from harness.plan.arrivals import Closed, Gamma, Replay
from harness.plan.chat_shape import ChatShape, Length
from harness.plan.load_options import ARRIVALS, CHAT, SETTINGS, help_text, settings_of
from harness.plan.load_settings import LoadSettings, TrialLoad, read_trial_load
from harness.plan.plan import Plan, Point, Trial, plan_of_schema_1

FILES = TrialLoad(
    trial_dir="t",
    arrivals=Replay(path="trace.csv"),
    bank="bank.npz",
    class_banks={"explain": "explain.npz"},
    tls_ca="ca.pem",
    chat=ChatShape(lengths="lengths.csv", prompts="prompts.txt"),
)


def test_texts_become_settings_and_what_is_not_given_keeps_its_default():
    given = {"timeout": "250ms", "check": "off", "turns": "2", "ignore_eos": "off", "max_in_flight": "7", "warmup": ""}
    assert settings_of(given) == LoadSettings(
        timeout_s=0.25, check="off", max_in_flight=7, chat=ChatShape(turns=Length(low=2, high=2), ignore_eos=False)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"timeout": "0s"}, "--timeout 0s: give more than zero"),
        ({"connect_timeout": "soon"}, "--connect-timeout soon: not a length of time"),
        ({"check": "some"}, "unknown --check 'some'"),
        ({"max_in_flight": "0"}, "--max-in-flight 0: give a whole number from 1"),
        ({"turns": "3-1"}, "--turns 3-1"),
        ({"ignore_eos": "yes"}, "unknown --ignore-eos 'yes'"),
    ],
)
def test_a_text_that_cannot_be_read_names_its_flag(text, message):
    with pytest.raises(UserError, match=message):
        settings_of(text)


def test_every_option_fills_a_field_and_its_help_states_the_default():
    fields = {*LoadSettings.__struct_fields__, *ChatShape.__struct_fields__}
    assert {option.field for option in (*SETTINGS, *CHAT)} <= fields
    helps = {option.flag: help_text(option) for option in (*SETTINGS, *ARRIVALS, *CHAT)}
    assert helps["--timeout"].endswith("(default: 10s)")
    assert helps["--turns"].endswith("(default: 1)")
    assert helps["--ignore-eos"].endswith("(default: on)")
    assert helps["--cv"].endswith("(default: 2)")


def test_both_command_lines_have_every_option():
    command = load_options(click.Command("x"))
    flags = {flag for option in command.params for flag in option.opts}
    assert {option.flag for option in (*SETTINGS, *ARRIVALS, *CHAT)} <= flags


def test_the_file_of_a_trial_holds_all_that_the_load_process_needs(tmp_path):
    point = Point(number=0, setting={"check": "sample", "skew": 1.5, "batch_size": 4}, arrivals=Closed(users=3))
    load = LoadSettings(timeout_s=2.0, warmup_s=0.25, measure_s=1.0, connect_timeout_s=0.5)
    plan = Plan(target="batched", scenario="s.py", model="m", points=(point,), load=load)
    endpoint = Endpoint(url="http://127.0.0.1:9", bank=Path("b.npz"), protocol="grpc", setting={"batch_size": 4})
    argv = load_command(plan, Trial(number=0, point=0, repeat=0, seed=11), point, endpoint, tmp_path)
    assert argv[argv.index("-u") + 1] == argv[argv.index("-r") + 1] == "3"
    file = Path(argv[argv.index("--settings") + 1])
    assert file == tmp_path / SETTINGS_FILE
    assert read_trial_load(file) == TrialLoad(
        trial_dir=str(tmp_path), arrivals=Closed(users=3), model="m", protocol="grpc", bank="b.npz", check="sample",
        skew=1.5, timeout_s=2.0, warmup_s=0.25, measure_s=1.0, connect_timeout_s=0.5, seed=11,
    )  # fmt: skip


@pytest.mark.parametrize(("timeout_s", "stop"), [(0.5, "6"), (1.5, "7"), (2.5, "8"), (10.0, "15"), (0.0001, "6")])
def test_locust_is_given_whole_seconds(tmp_path, timeout_s, stop):
    point = Point(number=0, setting={}, arrivals=Closed(users=1))
    plan = Plan(target="x", scenario="s.py", model="m", points=(point,), load=LoadSettings(timeout_s=timeout_s))
    endpoint = Endpoint(url="http://127.0.0.1:9", bank=None, protocol="http-json", setting={})
    argv = load_command(plan, Trial(number=0, point=0, repeat=0, seed=0), point, endpoint, tmp_path)
    assert argv[argv.index("--stop-timeout") + 1] == stop


def test_nothing_is_checked_where_nobody_knows_the_right_responses(tmp_path):
    point = Point(number=0, setting={}, arrivals=Closed(users=1))
    plan = Plan(target="http://127.0.0.1:9", scenario="s.py", model="m", points=(point,))
    endpoint = Endpoint(url="http://127.0.0.1:9", bank=None, protocol="http-json", setting={}, known=False)
    load_command(plan, Trial(number=0, point=0, repeat=0, seed=0), point, endpoint, tmp_path)
    assert read_trial_load(tmp_path / SETTINGS_FILE).check == "off"


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "s.json").write_text('{"timeout_s": "soon"}')
    with pytest.raises(UserError, match=r"--settings .*s\.json"):
        read_trial_load(tmp_path / "s.json")


def test_a_worker_elsewhere_uses_copies_of_all_files():
    assert set(FILES.files) == {"trace.csv", "bank.npz", "explain.npz", "ca.pem", "lengths.csv", "prompts.txt"}
    moved = FILES.with_files({path: f"/copy/{path}" for path in FILES.files})
    assert set(moved.files) == {f"/copy/{path}" for path in FILES.files}
    assert FILES.with_files({"bank.npz": "/copy/b"}).files[0] == "/copy/b"


def test_settings_survive_the_way_to_a_worker():
    load = TrialLoad(trial_dir="t", arrivals=Gamma(rate_rps=5.0, cv=3.0), class_banks={"explain": "e.npz"})
    assert msgspec.convert(json.loads(json.dumps(msgspec.to_builtins(load))), TrialLoad) == load


def test_a_plan_of_schema_1_is_read():
    old = {
        "name": "run", "target": "batched", "scenario": "s.py", "model": "m", "points": [], "trials": [],
        "chat": {"turns": "2", "ignore_eos": "off", "prompts": "p.txt"}, "protocol": "openai", "check": "off",
        "seconds": 2.0, "warmup_seconds": 0.5, "timeout_seconds": 30.0, "connect_timeout_seconds": None,
        "first_byte_timeout_seconds": 1.0, "repeats": 2, "max_in_flight": 9, "seed": 1, "schema_version": 1,
    }  # fmt: skip
    plan = msgspec.convert(plan_of_schema_1(old), Plan)
    assert plan == Plan(
        name="run", target="batched", scenario="s.py", model="m", repeats=2, seed=1,
        load=LoadSettings(
            protocol="openai", check="off", measure_s=2.0, warmup_s=0.5, timeout_s=30.0, first_byte_timeout_s=1.0,
            max_in_flight=9,
            chat=ChatShape(turns=Length(low=2, high=2), ignore_eos=False, prompts="p.txt"),
        ),
    )  # fmt: skip
