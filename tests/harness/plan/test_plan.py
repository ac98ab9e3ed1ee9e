"""Plans: knobs crossed with load levels, in seeded blocks."""

import msgspec
import pytest

from harness.errors import UserError
from harness.plan.arrivals import Closed, Constant, Poisson
from harness.plan.knobs import Apply, Knob, KnobSet
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, order_trials
from harness.plan.plan_draft import (
    Draft,
    estimated_seconds,
    make_plan,
    restart_count,
)
from harness.plan.target_spec import EmbeddedTarget, InProcessTarget, UrlTarget

LIVE = Knob(name="batch_size", doc="", default=32, swept=(1, 4, 16), minimum=1, apply=Apply.LIVE)
COLD = Knob(name="replicas", doc="", default=1, swept=(1, 2), minimum=1)
SPEC = EmbeddedTarget(name="toy", doc="", knobs=KnobSet("toy", (LIVE, COLD)), models=("m",), command=("-m", "toy"))
INSIDE = InProcessTarget(name="toy", doc="", knobs=KnobSet("toy", ()), models=("m",), open_model=lambda *_: None)


def draft(*words, spec=SPEC, concurrency=(1, 8), kind="", protocol="auto", **given):
    fields = {"target": "toy", "scenario": "s.py", "model": "m", "load": LoadSettings(protocol=protocol)}
    return Draft(plan=Plan(**{**fields, **given}), spec=spec, words=words, concurrency=concurrency, kind=kind)


def test_a_bare_knob_sweeps_its_own_values_at_every_load():
    plan = make_plan(draft("batch_size", repeats=1))
    seen = [(point.setting["batch_size"], point.arrivals.users) for point in plan.points]
    assert seen == [(1, 1), (1, 8), (4, 1), (4, 8), (16, 1), (16, 8)]


def test_a_knob_with_one_value_is_set_and_not_swept():
    plan = make_plan(draft("batch_size=1,4", "replicas=2"))
    assert plan.fixed == {"replicas": 2}
    assert plan.swept == ("batch_size",)


def test_two_knobs_make_a_grid():
    plan = make_plan(draft("batch_size=1,4", "replicas", concurrency=(3,)))
    assert [tuple(point.setting.values()) for point in plan.points] == [(1, 1), (1, 2), (4, 1), (4, 2)]


def test_concurrency_and_rate_are_knobs_too():
    assert [p.arrivals for p in make_plan(draft("concurrency=2,5")).points] == [Closed(users=2), Closed(users=5)]
    assert [p.arrivals for p in make_plan(draft("rate=10,20")).points] == [
        Poisson(rate_rps=10.0),
        Poisson(rate_rps=20.0),
    ]
    constant = draft("rate=10", kind="constant")
    assert [p.arrivals for p in make_plan(constant).points] == [Constant(rate_rps=10.0)]


def test_what_the_load_speaks_and_checks_are_knobs_of_the_load():
    plan = make_plan(draft("protocol=http-json,http-binary", "check=off", "replicas=1,2", concurrency=(3,)))
    assert [tuple(point.setting.values()) for point in plan.points] == [
        *[("http-json", 1), ("http-json", 2), ("http-binary", 1), ("http-binary", 2)]
    ]
    assert [plan.load_at(point).protocol for point in plan.points][::2] == ["http-json", "http-binary"]
    assert {plan.load_at(point).check for point in plan.points} == {"off"}
    assert plan.target_setting(plan.points[0]) == {"replicas": 1}
    assert restart_count(make_plan(draft("protocol=http-json,http-binary")), SPEC.knobs) == 0


@pytest.mark.parametrize(
    ("words", "given", "message"),
    [
        (("protocol",), {}, "toy does not speak grpc"),
        (("protocol=v3",), {}, "protocol takes http-json"),
        (("protocol=tfs",), {"spec": INSIDE}, "toy lives in the load process"),
        ((), {"protocol": "grpc"}, "toy does not speak grpc"),
        (("batchsize",), {}, "did you mean 'batch_size'"),
        (("delay_ms",), {}, "toy has no such knob; --target fixed has it"),
        (("batch_size=0",), {}, "batch_size takes a whole number, 1 or more"),
        (("batch_size=many",), {}, "batch_size=many: not legal"),
        (
            ("batch_size",),
            {"spec": UrlTarget("http://127.0.0.1:1"), "target": "http://127.0.0.1:1"},
            "has no such knob; --target batched has it",
        ),
        (("rate=5",), {"kind": "closed"}, "a closed loop has no rate"),
        (("concurrency=5",), {"kind": "poisson"}, "have no users"),
        ((), {"kind": "gamma"}, "needs --rate"),
    ],
)
def test_a_wrong_request_names_the_remedy(words, given, message):
    with pytest.raises(UserError, match=message):
        make_plan(draft(*words, **given))


def pair(conflict=lambda _: None):
    engine = Knob(name="engine", doc="", default="a", swept=("a", "b"), unavailable=(("c", "install c"),))
    bits = Knob(name="bits", doc="", default=32, swept=(32, 8))
    return EmbeddedTarget(
        name="toy", doc="", knobs=KnobSet("toy", (engine, bits), conflict), models=("m",), command=("x",)
    )


def test_what_cannot_be_run_is_left_out_of_a_grid_and_listed():
    spec = pair(lambda given: "b has no 8 bits" if given["engine"] == "b" and given["bits"] == 8 else None)
    plan = make_plan(draft("engine", "bits", spec=spec, concurrency=(1,)))
    assert [tuple(point.setting.values()) for point in plan.points] == [("a", 32), ("a", 8), ("b", 32)]
    assert plan.left_out == ("engine=c: install c", "b has no 8 bits")
    assert make_plan(draft("engine=a,b", spec=spec)).left_out == (), "only a bare name asks for all there is"
    fixed = make_plan(draft("engine", "bits=8", spec=spec, concurrency=(1,)))
    assert [point.setting for point in fixed.points] == [{"engine": "a"}]


def test_a_grid_of_which_nothing_can_be_run_is_refused():
    with pytest.raises(UserError, match="never together"):
        make_plan(draft("engine", spec=pair(lambda _: "never together")))


def test_every_block_visits_every_point_once_and_the_seed_repeats_it():
    trials = order_trials([0] * 6, repeats=3, seed=5)
    for repeat in range(3):
        assert sorted(trial.point for trial in trials if trial.repeat == repeat) == list(range(6))
    orders = {tuple(trial.point for trial in trials if trial.repeat == repeat) for repeat in range(3)}
    assert len(orders) > 1
    assert trials == order_trials([0] * 6, repeats=3, seed=5)
    assert trials != order_trials([0] * 6, repeats=3, seed=6)


def test_points_that_share_a_start_of_the_target_are_run_together():
    plan = make_plan(draft("batch_size", "replicas", repeats=2))
    # Two groups visited in two blocks: one change inside each block, and at most one between them.
    assert 2 <= restart_count(plan, SPEC.knobs) <= 3
    assert restart_count(make_plan(draft("batch_size")), SPEC.knobs) == 0


def test_a_plan_survives_its_file():
    plan = make_plan(draft("batch_size", "rate=3"))
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_the_estimate_grows_with_trials_and_starts():
    short, long = make_plan(draft("batch_size")), make_plan(draft("batch_size", repeats=4))
    assert estimated_seconds(long, SPEC.knobs) > estimated_seconds(short, SPEC.knobs)
    assert estimated_seconds(short, SPEC.knobs) > estimated_seconds(short, None)


def test_the_slug_is_fit_for_a_folder():
    (point,) = make_plan(draft("replicas=2", concurrency=(7,))).points
    assert point.slug == "users=7"
    assert make_plan(draft("batch_size")).points[0].slug == "batch_size=1-users=1"
