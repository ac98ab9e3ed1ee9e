"""Is the number of replicas that `plan` names right? On simulated servers of fresh seeds, and by measuring real ones.

    python -m tests.benchmarks.bench_plan simulated [--servers 30] [--seed 7000]
    python -m tests.benchmarks.bench_plan measured [--rate 90] [--out results/plan-trial]

simulated: each server has a service time, a variation and a largest batch of its own. Of how many does the predicted
range of p99 hold the truth at 40 and 75 % of its capacity, of how many does the planned number keep the limit, and how
many more replicas than needed does it name?

measured: one replica (a timer, 10 ms on average, one request at a time) is measured under 1 to 16 users, and `plan`
says how many keep p99 below 150 ms at the rate. Then the rate is sent to one replica, and half of it to each of two at
the same time, as a balancer that spreads arrivals at random does. About 2 minutes; leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "harness/judge/replicas"))

HARNESS = (sys.executable, "-m", "harness")
SERVER = ("delay_ms=10", "servers=1", "service=exponential")
LOAD = ("--target", "fixed", "--check", "off", "--warmup", "1s")
LIMIT = "p99<150ms"


def simulated(servers: int, seed: int) -> None:
    """The table of simulated servers."""
    from test_replica_plan import SHARES, USERS, as_model, server, true_p99_ms

    from harness.judge.replicas.replica_model import CurveModel
    from harness.judge.replicas.replica_plan import Demand, ReplicaPlan, _errors, _search
    from harness.judge.replicas.user_curve import Level
    from harness.judge.simulation.simulated_run import simulate
    from harness.plan.arrivals import Closed
    from harness.plan.slo import parse_slo

    def by_users(system, number):
        found = [simulate(system, Closed(users=users), 6000, number) for users in USERS]
        tails = [float(np.quantile(each.responses_ms, 0.99)) for each in found]
        levels = [Level(n, each.throughput_rps, tail) for n, each, tail in zip(USERS, found, tails, strict=True)]
        return CurveModel({}, levels, 0.99, seed=number)

    for name, build in (("batches", as_model), ("users", by_users)):
        held, kept, more, stated, planned = 0, 0, [], [], 0
        for number in range(seed, seed + servers):
            system = server(number)
            model = build(system, number)
            rates = [share * model.most_rps for share in SHARES]
            tails = [(model.tail(rate, 0.99), true_p99_ms(system, rate)) for rate in rates]
            held += all(tail.low_ms <= truth <= tail.high_ms for tail, truth in tails)
            stated.append(float(np.expm1(_errors(model)[1])))
            limit_ms = 2 * true_p99_ms(system, 0.5 * model.most_rps)
            found = _search(model, Demand(10 * model.most_rps, parse_slo(f"p99<{limit_ms:.3f}ms")))
            if not isinstance(found, ReplicaPlan):
                continue
            planned += 1
            kept += true_p99_ms(system, found.rate_rps / found.replicas) <= limit_ms
            enough = (n for n in range(11, 80) if true_p99_ms(system, found.rate_rps / n) <= limit_ms)
            more.append(found.replicas / next(enough))
        print(
            f"by {name:<8} {servers} servers: the range holds the truth in {held}; planned {planned}, of which {kept} "
            f"keep the limit with {np.median(more):.2f} (at most {max(more):.2f}) times the replicas needed; stated "
            f"error of p99 at held-out points: median {100 * np.median(stated):.0f} %, at most "
            f"{100 * max(stated):.0f} %"
        )


def measured(rate: float, out: Path) -> None:
    """The plan for one real replica, and what one and two replicas do at the rate."""
    load = ("--concurrency", "1,2,4,8,16", "--seconds", "5", "--repeats", "2")
    subprocess.run([*HARNESS, "sweep", *SERVER, *LOAD, *load, "--out", out / "users"], check=False, stdout=sys.stderr)
    plan = [*HARNESS, "plan", out / "users", "--rate", f"{rate:g}", "--slo", LIMIT]
    subprocess.run(plan, check=False)
    for replicas in (1, 2):
        share = ("--rate", f"{rate / replicas:g}", "--seconds", "20", "--json")
        words = [*HARNESS, "run", *SERVER, *LOAD, *share]
        runs = [
            subprocess.Popen([*words, "--seed", str(each), "--out", out / f"{replicas}-{each}"], stdout=subprocess.PIPE)
            for each in range(replicas)
        ]
        for each, run in enumerate(runs):
            (point,) = json.loads(run.communicate()[0])["result"]["points"]
            p99 = next(quantile for quantile in point["response"]["quantiles"] if quantile["p"] == 0.99)
            print(
                f"{replicas} replica(s), number {each + 1}: {point['throughput_rps']['value']:.1f} req/s, p99 "
                f"{p99['value_ms']:.0f} ms (from {p99.get('low_ms') or 0:.0f}), {point['verdict']}"
            )


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=["simulated", "measured"])
    parser.add_argument("--servers", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7000)
    parser.add_argument("--rate", type=float, default=90.0)
    parser.add_argument("--out", type=Path, default=Path("results/plan-trial"))
    given = parser.parse_args()
    if given.which == "simulated":
        simulated(given.servers, given.seed)
    else:
        measured(given.rate, given.out)


if __name__ == "__main__":
    main()
