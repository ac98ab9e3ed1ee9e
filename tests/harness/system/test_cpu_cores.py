import os
import subprocess
import sys

import pytest

from harness.system.cpu_cores import divide_cores, parse_core_list, pin, plan_isolation, smt_siblings, usable_cores


def alone(core):
    return (core,)


def paired(core):
    """Cores 0 and 1 are one physical core, 2 and 3 the next."""
    return (core - core % 2, core - core % 2 + 1)


@pytest.mark.parametrize(
    ("count", "load_processes", "target_count", "load_count"),
    [(2, 1, 1, 1), (3, 1, 2, 1), (8, 1, 6, 2), (12, 1, 9, 3), (64, 1, 60, 4), (64, 6, 58, 6), (8, 6, 6, 2)],
)
def test_the_load_gets_a_quarter_up_to_four_or_one_per_process(count, load_processes, target_count, load_count):
    plan = divide_cores(tuple(range(count)), alone, isolate=True, load_processes=load_processes)
    assert plan.isolated
    assert (len(plan.target_cores), len(plan.load_cores)) == (target_count, load_count)
    assert sorted(plan.target_cores + plan.load_cores) == list(range(count))


def test_hardware_threads_of_one_core_stay_on_one_side():
    plan = divide_cores((0, 1, 2, 3), paired, isolate=True)
    assert (plan.target_cores, plan.load_cores) == ((0, 1), (2, 3))


def test_siblings_that_are_not_usable_are_not_given_away():
    plan = divide_cores((1, 2, 5, 7), paired, isolate=True)
    assert (plan.target_cores, plan.load_cores) == ((1, 2, 5), (7,))


def test_two_threads_of_the_only_core_are_divided_and_the_text_says_so():
    plan = divide_cores((0, 1), paired, isolate=True)
    assert (plan.target_cores, plan.load_cores) == ((0,), (1,))
    assert "one physical core" in plan.text


@pytest.mark.parametrize(("cores", "isolate"), [((3,), True), ((0, 1, 2), False), ((), True)])
def test_all_share_where_there_is_nothing_to_divide_or_it_is_not_wanted(cores, isolate):
    plan = divide_cores(cores, alone, isolate=isolate)
    assert not plan.isolated
    assert plan.target_cores == plan.load_cores == cores
    assert "shared" in plan.text


def test_the_text_names_the_cores():
    assert divide_cores((0, 1), alone, isolate=True).text == (
        "The target ran on core 0, load, samplers and harness on core 1."
    )


def test_beside_a_server_that_was_not_started_here_only_the_load_has_cores():
    found = divide_cores((0, 1, 2, 3), alone, isolate=True).of_load()
    assert (found.target_cores, found.load_cores, found.isolated) == ((), (3,), None)
    assert found.text == (
        "Load, samplers and harness ran on core 3; the server was not started here: its cores are not known."
    )
    alone_on_it = divide_cores((0,), alone, isolate=True).of_load()
    assert (alone_on_it.load_cores, alone_on_it.isolated) == ((0,), None)


def test_the_plan_of_this_machine_uses_only_what_this_process_may():
    plan = plan_isolation()
    assert set(plan.target_cores) | set(plan.load_cores) == os.sched_getaffinity(0)


def test_core_lists_are_read_as_the_kernel_writes_them():
    assert parse_core_list("0-2,8\n") == (0, 1, 2, 8)


def test_siblings_are_read_from_the_topology_and_default_to_the_core_itself(tmp_path):
    topology = tmp_path / "cpu3" / "topology"
    topology.mkdir(parents=True)
    (topology / "thread_siblings_list").write_text("3,11\n")
    assert smt_siblings(3, tmp_path) == (3, 11)
    assert smt_siblings(4, tmp_path) == (4,)


@pytest.mark.process
def test_pin_moves_a_process_and_what_it_starts():
    core = usable_cores()[-1]
    code = "import sys,os; sys.stdin.read(); print(os.sched_getaffinity(0))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        pin(child.pid, (core,))
        out, _ = child.communicate()
    assert out.strip() == str({core})


@pytest.mark.process
def test_pin_leaves_a_process_that_is_gone_alone():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    pin(child.pid, usable_cores())
