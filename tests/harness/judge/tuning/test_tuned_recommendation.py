"""A search as its plan and points say it: 4 settings by batch size, at 8 and 32 users; engine=bad does not start."""

import math

import msgspec
import pytest
from example_runs import MODEL, plan_of, point_of, trial_of

from harness.judge.findings import Finding, Verdict
from harness.judge.interval import Interval
from harness.judge.metrics import Accuracy, Usage
from harness.judge.number_text import figure
from harness.judge.run_result import RunResult
from harness.judge.run_summary import run_verdict
from harness.judge.tuning.effects import knob_effects
from harness.judge.tuning.observations import final_outcome, keeps, objective_of, observation_of
from harness.judge.tuning.tuned_recommendation import recommend_tuned
from harness.judge.tuning.tuning_summary import tuning_summary
from harness.plan.arrivals import Closed
from harness.plan.plan import Trial, TrialKind, TuneSpace
from harness.plan.slo import parse_keep, parse_slo
from harness.search.observation import Observation
from reports import ReportInput
from reports.page import page_html
from reports.text.summary_md import summary_markdown
from reports.text.terminal_text import result_text

SPACE = TuneSpace(
    values={"batch_size": (1, 4, 16, 64), "engine": ("onnxruntime", "litert")},
    levels=(8.0, 32.0, 128.0),
    settings=8,
    impossible=3,
)
EXPLORED = [(1, 32, "litert"), (1, 128, "litert"), (16, 32, "litert"), (4, 32, "litert"), (64, 128, "litert")]


def setting(batch_size, engine):
    return {"batch_size": batch_size, "engine": engine}


def searched(confirming=3):
    """(plan, points): every point once, then the best two and the default `confirming` times, and a failed start."""
    points, trials = [], []
    for number, (batch_size, users, engine) in enumerate(EXPLORED):
        points.append(point_of(number, setting(batch_size, engine), Closed(users=users), repeats=1, slo_ms=50.0))
        trials.append(Trial(number=number, point=number, repeat=0, seed=0, kind=TrialKind.EXPLORE, why="unlike"))
    bad = point_of(5, setting(4, "onnxruntime"), Closed(users=32), repeats=1)
    empty = msgspec.structs.replace(bad.trials[0], seconds=0.0, start_failure="it ran out of memory", trial=5)
    points.append(msgspec.structs.replace(bad, trials=(empty,), counts=type(bad.counts)(), verdict=Verdict.INVALID))
    trials.append(Trial(number=5, point=5, repeat=0, seed=0, kind=TrialKind.EXPLORE, why="may be the best"))
    numbered = [
        msgspec.structs.replace(p, trials=(msgspec.structs.replace(p.trials[0], trial=p.point),)) for p in points
    ]
    for block in range(confirming):
        for point in (1, 2, 4):
            number = len(trials)
            trials.append(
                Trial(number=number, point=point, repeat=block + 1, seed=0, kind=TrialKind.CONFIRM, block=block + 1)
            )
            rate = numbered[point].throughput_rps.value
            fresh = trial_of(number, block, rate, 5.0, 8.0)
            fresh = msgspec.structs.replace(fresh, trial=number)
            numbered[point] = msgspec.structs.replace(
                numbered[point], trials=(*numbered[point].trials, fresh), meets_slo=True
            )
    plan = plan_of(numbered, tune=SPACE, budget_seconds=120.0, fixed={}, trials=tuple(trials), name="tune")
    return plan, tuple(numbered)


def report(confirming=3):
    plan, points = searched(confirming)
    found = recommend_tuned(plan, points)
    result = RunResult(
        points=points, recommendation=found, verdict=run_verdict(found, points), model=MODEL,
        tuning=tuning_summary(plan, points, found.best_point),
    )  # fmt: skip
    return ReportInput(plan=plan, result=result)


def test_the_best_is_named_by_what_it_changes_with_the_default_as_baseline():
    plan, points = searched()
    found = recommend_tuned(plan, points)
    assert found.best_point == 4
    assert found.baseline_point == 1
    true = points[4].throughput_rps.value / points[1].throughput_rps.value
    assert found.speedup.low < true < found.speedup.high
    assert found.rate_rps.low < points[4].throughput_rps.value < found.rate_rps.high
    assert found.sentence.startswith("At p99 \u2264 50 ms batch_size=64 sustains ")
    assert "\u00d7" in found.sentence
    assert "6 of 8 possible settings" not in found.sentence  # batch size 1 at two loads is one setting
    assert "5 of 8 possible settings were tried, 1 of which could not be served." in found.sentence


def test_where_the_default_may_do_as_well_nothing_is_called_better():
    plan, points = searched()
    level = [
        msgspec.structs.replace(each, throughput_rps=each.throughput_rps.times(1.004)) for each in points[1].trials
    ]
    numbers = [trial.trial for trial in points[4].trials]
    level = [msgspec.structs.replace(each, trial=number) for each, number in zip(level, numbers, strict=True)]
    slower = [msgspec.structs.replace(each, throughput_rps=each.throughput_rps.times(0.1)) for each in points[2].trials]
    changed = {2: tuple(slower), 4: tuple(level)}
    others = [msgspec.structs.replace(each, trials=changed.get(each.point, each.trials)) for each in points]
    found = recommend_tuned(plan, others)
    assert (found.best_point, found.tied_points) == (4, (1,))
    assert "Nothing is known to be better than the default, which may do as well: it costs 0." in found.sentence


def test_a_setting_that_gave_more_in_the_search_and_got_no_fresh_trial_is_named():
    plan, points = searched()
    assert "no fresh trial" not in recommend_tuned(plan, points).sentence
    ahead = msgspec.structs.replace(
        points[2],
        trials=points[2].trials[:1],
        throughput_rps=msgspec.structs.replace(points[4].throughput_rps, value=points[4].throughput_rps.value * 1.2),
        meets_slo=True,
    )
    others = [ahead if point.point == 2 else point for point in points]
    shorter = msgspec.structs.replace(
        plan, trials=tuple(trial for trial in plan.trials if trial.point != 2 or trial.kind is TrialKind.EXPLORE)
    )
    said = recommend_tuned(shorter, others)
    assert said.best_point == 4
    assert "batch_size=16 at 32 users gave " in said.sentence.lower()
    assert "in the search and got no fresh trial" in said.sentence
    missed = [msgspec.structs.replace(ahead, meets_slo=False) if point.point == 2 else point for point in points]
    assert "no fresh trial" not in recommend_tuned(shorter, missed).sentence


def test_without_fresh_trials_nothing_is_recommended_and_more_time_is_asked_for():
    plan, points = searched(confirming=0)
    found = recommend_tuned(plan, points)
    assert found.best_point is None
    assert found.more_seconds > 0
    assert "So far batch_size=64 at 128 users is ahead." in found.sentence


def test_where_no_trial_has_a_response_the_sentence_says_why_and_what_to_do():
    plan, points = searched(confirming=0)
    bad = points[5]
    assert "could be served: it ran out of memory. 1 of 8" in recommend_tuned(plan, [bad]).sentence
    short = Finding(kind="x", title="x", verdict=Verdict.INVALID, text="None was due.", remedy="Measure longer.")
    trial = msgspec.structs.replace(bad.trials[0], start_failure=None, findings=(short,))
    slow = msgspec.structs.replace(bad, trials=(trial,))
    said = recommend_tuned(plan, [slow]).sentence
    assert "nothing was measured. None was due. Measure longer. 1 of 8" in said
    # Where one did start, the other's failed start is not why nothing was measured.
    said = recommend_tuned(plan, [bad, msgspec.structs.replace(slow, point=3, setting=setting(64, "litert"))]).sentence
    assert "nothing was measured. None was due. Measure longer. 2 of 8" in said


def test_where_fresh_trials_miss_a_limit_that_the_search_saw_kept_more_time_is_asked_for():
    plan, points = searched()
    kept = {0: True, 1: False, 2: False, 3: None, 4: False, 5: None}  # 1, 2 and 4 are the finalists
    missed = [msgspec.structs.replace(point, meets_slo=kept[point.point]) for point in points]
    found = recommend_tuned(plan, missed)
    rate = missed[0].throughput_rps.value
    assert found.sentence.startswith(
        "Not decided yet: no fresh trial kept p99 \u2264 50 ms; the default at 32 users did in the search, with "
        f"{figure(rate, 3)} req/s. "
    )
    assert found.best_point is None
    assert found.more_seconds == pytest.approx(12 * 3.5)  # a final of 12 trials of 2 s, 0.5 s of warm-up and 1 s
    took = dict.fromkeys(range(len(plan.trials)), 9.0)
    assert recommend_tuned(plan, missed, took).more_seconds == pytest.approx(12 * 9.0)
    perhaps = [msgspec.structs.replace(point, meets_slo=None) if point.point == 0 else point for point in missed]
    assert "may have in the search" in recommend_tuned(plan, perhaps).sentence


def test_the_time_that_is_missing_counts_what_trials_took_with_their_restarts():
    plan, points = searched()
    unknown = [msgspec.structs.replace(point, meets_slo=None) for point in points]
    took = {trial.number: 60.0 if trial.kind is TrialKind.EXPLORE else 9.0 for trial in plan.trials}
    # As many again of each of three finalists, three trials each, one more of each, and six of the best.
    assert recommend_tuned(plan, unknown, took).more_seconds == pytest.approx((3 * (3 + 1) + 6) * 9.0)


def test_a_limit_that_nobody_keeps_is_said_with_what_was_tried():
    plan, points = searched(confirming=0)
    missed = [msgspec.structs.replace(point, meets_slo=False) for point in points]
    found = recommend_tuned(plan, missed)
    assert found.more_seconds is None
    assert "No setting meets p99 \u2264 50 ms" in found.sentence
    assert "5 of 8 possible settings were tried" in found.sentence


def test_where_noise_spoiled_every_trial_no_limit_is_called_missed():
    plan, points = searched(confirming=0)
    noise = Finding(kind="harmed", title="x", verdict=Verdict.INVALID, text="Others ran.", remedy="End other work.")
    spoiled = [
        msgspec.structs.replace(point, meets_slo=False, verdict=Verdict.INVALID, findings=(noise,))
        for point in points
        if point.counts.ok
    ]
    said = recommend_tuned(plan, spoiled).sentence
    assert said.startswith(
        "No recommendation: disturbances on the machine spoiled every trial. Others ran. End other work. "
    )
    assert "No setting meets" not in said


def test_where_so_few_responses_do_not_decide_the_limit_no_disturbance_is_blamed():
    plan, points = searched()
    unknown = [msgspec.structs.replace(point, meets_slo=None) for point in points]
    said = recommend_tuned(plan, unknown).sentence
    assert said.startswith(
        "Not decided yet: whether any setting keeps p99 \u2264 50 ms cannot be said by so few responses"
    )
    assert "So far batch_size=64 at 128 users is ahead with " in said
    assert "disturbances" not in said


def test_the_path_has_every_trial_and_the_best_so_far_only_rises():
    plan, points = searched()
    tuning = tuning_summary(plan, points, 4)
    assert [step.trial for step in tuning.steps] == list(range(len(plan.trials)))
    best = [step.best for step in tuning.steps if step.best is not None]
    assert best == sorted(best)
    assert tuning.steps[0].changes == {}
    assert tuning.steps[4].changes == {"batch_size": 64}
    assert [(each.changes, each.reason) for each in tuning.failed] == [
        ({"batch_size": 4, "engine": "onnxruntime"}, "it ran out of memory")
    ]
    # The search began with litert, which is not the target's own default.
    assert (tuning.tried, tuning.default_point, tuning.words) == (5, 1, "batch_size=64 engine=litert")


def test_a_knob_that_is_known_to_matter_is_said_to():
    plan, points = searched()
    effects = {effect.name: effect for effect in tuning_summary(plan, points, 4).effects}
    by_value = {each.value: each for each in effects["batch_size"].values}
    assert effects["batch_size"].matters is True
    assert by_value[1].ratio.high < 1.0
    assert (by_value[64].best, by_value[64].ratio.value) == (True, 1.0)
    assert effects["engine"].matters is None  # the other one did not start


def test_knobs_that_were_only_changed_together_are_not_said_to_matter():
    space = TuneSpace(
        values={"batch_size": (1, 2, 4, 8, 16, 32, 64, 128), "batch_wait_ms": (0.0, 0.5, 1.0, 2.0, 5.0)},
        levels=(32.0, 64.0, 128.0),
        settings=40,
    )
    default, both, one = (
        {"batch_size": size, "batch_wait_ms": wait} for size, wait in ((32, 0.0), (1, 5.0), (32, 5.0))
    )
    seen = [(0, 0, 400.0), (0, 1, 480.0), (0, 2, 500.0), (1, 1, 100.0), (0, 1, 490.0), (0, 1, 495.0)]

    def known(settings, trials):
        observations = [Observation(at, level, math.log(rate), 0.01, None, kept=True) for at, level, rate in trials]
        return {each.name for each in knob_effects(space, settings, observations, (0, 1), closed=True) if each.matters}

    assert known([default, both], seen) == set()
    assert known([default, both, one], [*seen, (2, 1, 101.0), (2, 1, 99.0)]) == {"batch_wait_ms"}


def test_the_front_rises_in_both():
    plan, points = searched()
    by_number = {point.point: point for point in points}
    front = [by_number[number] for number in tuning_summary(plan, points, 4).front]
    tails = [point.response.at(0.99).value_ms for point in front]
    rates = [point.throughput_rps.value for point in front]
    assert (tails, rates) == (sorted(tails), sorted(rates))
    assert points[4] in front


def test_a_trial_that_could_not_start_teaches_that_and_one_that_others_harmed_a_little():
    plan, points = searched()
    failed = observation_of(plan, points[5], points[5].trials[0], (3, 1))
    assert (failed.failure, failed.log_value) == ("it ran out of memory", None)
    good = observation_of(plan, points[4], points[4].trials[0], (3, 1))
    assert good.log_value == pytest.approx(math.log(points[4].trials[0].throughput_rps.value))
    assert good.log_tail == pytest.approx(math.log(points[4].trials[0].response.at(0.99).value_ms / 50.0))
    spoiled = msgspec.structs.replace(points[4].trials[0], verdict=Verdict.INVALID)
    doubtful = observation_of(plan, points[4], spoiled, (3, 1))
    assert doubtful.standard_error > 10 * good.standard_error
    assert final_outcome(plan, points[4], spoiled, 5.0).harmed
    hopeless = msgspec.structs.replace(plan, slo=parse_slo("p99<0.01ms"))
    missed = msgspec.structs.replace(points[4], meets_slo=None)
    assert observation_of(hopeless, missed, spoiled, (3, 1)).kept is False
    in_the_tail_only = msgspec.structs.replace(plan, slo=parse_slo("p99<3ms"))  # a median of 7.2 ms, a p99 of 13.7 ms
    assert observation_of(in_the_tail_only, missed, spoiled, (3, 1)).kept is None
    assert final_outcome(in_the_tail_only, missed, spoiled, 5.0).harmed


@pytest.mark.slow
def test_reports_name_the_words_to_type_and_what_failed():
    whole = report()
    page = page_html(whole)
    words = "batch_size=64 engine=litert"
    for text in (f"<code>{words}</code>", "The path of the search", "What each knob does", "ran out of memory"):
        assert text in page
    assert f"set: {words}" in result_text(whole)
    assert "could not be served" in result_text(whole)
    assert "ran out of memory" in summary_markdown(whole)
    assert "There were no fresh trials yet" in page_html(report(confirming=0))


def test_a_bound_beside_the_limit_that_is_broken_is_a_limit_that_is_missed():
    plan, points = searched()
    precise = msgspec.structs.replace(
        points[4],
        meets_slo=True,
        accuracy=Accuracy(value=0.8, low=0.7, high=0.9, payloads=60, answers=60),
        usage=Usage(cpu_target_cores=2.0),
    )

    def kept_by(text):
        tune = msgspec.structs.replace(plan.tune, keep=parse_keep(text), objective="cost")
        return msgspec.structs.replace(plan, tune=tune)

    assert keeps(kept_by("accuracy>0.75,cores<2.5"), precise) is True
    assert keeps(kept_by("accuracy>0.9"), precise) is False
    assert keeps(kept_by("accuracy>0.75,memory_mb<100"), precise) is None  # there was no sample
    broken = observation_of(kept_by("accuracy>0.9"), precise, precise.trials[0], (3, 1))
    assert (broken.kept, broken.log_tail) == (False, None)  # whatever the latency was
    rate = objective_of(precise, kept_by("cores<4"))
    assert rate.value == pytest.approx(precise.throughput_rps.value / 2.0)
    unknown = msgspec.structs.replace(precise, usage=Usage())
    assert objective_of(unknown, kept_by("cores<4")).value == 0.0
    unsampled = msgspec.structs.replace(precise.trials[0], usage=Usage())
    costless = observation_of(kept_by("accuracy>0.75"), unknown, unsampled, (3, 1))
    assert (costless.kept, costless.log_value) == (None, None)  # no bound is broken: its cost is not known
    silent = msgspec.structs.replace(unsampled, throughput_rps=Interval(value=0.0))
    assert observation_of(kept_by("accuracy>0.75"), unknown, silent, (3, 1)).kept is False
