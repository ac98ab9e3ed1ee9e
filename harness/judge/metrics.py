"""The types of the numbers of trials and points that a report may show; `run_result.py` has those of a run.

`trial_summary.py` computes those of a trial, `point_summary.py` those of a point. A number the sample cannot support is
None, never zero. Latencies are in milliseconds, intervals are nominal 95 %.
"""

from __future__ import annotations

import msgspec

from harness.judge.findings import Finding, Verdict
from harness.judge.interval import Interval
from harness.judge.response_spread import ResponseSpread
from harness.plan.knobs import Setting
from harness.plan.slo import Slo


class Quantile(msgspec.Struct, frozen=True, kw_only=True):
    """One percentile over all rows, and between which ends that of the typical run lies.

    Where `high_ms` is None it is at least `low_ms`, and no more can be said: requests that were still open reach into
    it (`at_least`), or the sample is too small, and `needed` more requests would do. `low_ms` is None where the sample
    is too small for a bound from below. `value_ms` is what was observed all the same; it is None only in a distribution
    that was given without it.
    """

    p: float  # 0.5, 0.9, 0.95, 0.99, 0.999
    value_ms: float | None
    low_ms: float | None = None
    high_ms: float | None = None
    effective_samples: float | None = None  # after discounting autocorrelation
    needed: int | None = None
    at_least: bool = False  # True: requests still open at the end reach into it, so the truth is >= value_ms

    @property
    def interval_ms(self) -> Interval | None:
        """The value and its ends; None where there is no value."""
        return None if self.value_ms is None else Interval(self.value_ms, self.low_ms, self.high_ms)

    @property
    def vague(self) -> bool:
        """Whether its interval is too wide to say anything."""
        return self.interval_ms is not None and self.interval_ms.vague

    @property
    def only_bound(self) -> bool:
        """Whether the sample is too small for more than a bound from below."""
        return self.needed is not None


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution of durations, in milliseconds."""

    count: int
    mean_ms: float | None
    max_ms: float | None
    quantiles: tuple[Quantile, ...]

    def at(self, p: float) -> Quantile | None:
        """The percentile `p`, None where it was not computed."""
        return next((quantile for quantile in self.quantiles if abs(quantile.p - p) < 1e-9), None)

    def interval_ms(self, p: float) -> Interval | None:
        """The percentile `p` with its ends; None where the sample gives none, or no more than a lower bound."""
        found = self.at(p)
        return None if found is None or not found.value_ms or found.at_least or found.only_bound else found.interval_ms


_FAILURES = ("wrong", "error", "timeout", "rejected", "aborted", "unknown", "not_sent")


class UnitCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one unit of good output costs; None where it is not known."""

    unit: str  # "output token", "result", "response"
    core_ms: float | None  # CPU time of the target
    energy_j: float | None  # of GPUs and the CPU's packages, as far as they can be read
    price_per_million: float | None  # of units, by the price of an hour of the whole server


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """scheduled = sent + not_sent; sent = ok + wrong + error + timeout + rejected + aborted + cancelled + unknown."""

    scheduled: int = 0
    not_sent: int = 0
    sent: int = 0
    ok: int = 0
    wrong: int = 0
    error: int = 0
    timeout: int = 0
    rejected: int = 0
    aborted: int = 0
    cancelled: int = 0  # their users hung up on purpose: no failure
    unknown: int = 0  # sent by a worker that was lost
    checked: int = 0

    @property
    def failed(self) -> int:
        """Scheduled requests that got no good response, those that were never sent included, cancelled ones not."""
        return self.scheduled - self.ok - self.cancelled

    @property
    def failed_share(self) -> float:
        """The share of scheduled requests that got no good response."""
        return self.failed / self.scheduled if self.scheduled else 0.0

    @property
    def failures(self) -> dict[str, int]:
        """`failed` by its causes, in a fixed order; those that did not happen have 0."""
        return {name: getattr(self, name) for name in _FAILURES}


class StreamShape(msgspec.Struct, frozen=True, kw_only=True):
    """The form of good streamed responses. Shares are of 1, None where nothing was known of any response."""

    tokens_per_piece: float | None = None
    unstreamed: float | None = None  # share of those of several tokens that came at one instant
    undercounted: float | None = None  # share in which the server counts fewer tokens than pieces came
    off_prompt: float | None = None  # share whose prompt does not have the tokens that were asked for
    unasked_cached: float | None = None  # of the prompts' tokens: cached beyond what the load had sent before
    off_length: float | None = None  # share with clearly more or fewer tokens than were asked for


class StreamMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """Latency and rate of streamed responses. A piece, the output of one event, may hold several tokens."""

    ttft: Latency  # time to first token: first piece of any output - due
    ttfo: Latency | None = None  # time to first output token: first piece that is no reasoning; None: it is the TTFT
    itl: Latency  # inter-token latency: every gap between two successive pieces of a stream
    tpot: Latency  # time per output token, one per response: mean gap of its pieces / tokens per piece
    tokens_per_s: Interval | None  # output tokens that came in the measured window; None: nothing is generated
    prompt_tokens: float | None  # mean per response, as the server counted
    output_tokens: float | None
    in_flight: float | None  # streams open at a time, on average over the window
    tokens_per_s_of_stream: float | None = None  # what one user sees: output tokens/s over the streams in flight
    shape: StreamShape = StreamShape()
    prompt_tokens_per_s: Interval | None = None  # of the good answers; None where the server does not count them
    results_per_s: Interval | None = None  # embeddings, ranked documents; None where output tokens are generated
    cached_share: float | None = None  # of the prompts' tokens: what the server had computed before, by its own count
    asked_cached_share: float | None = None  # of them: the common beginning that was asked for, and the turns before


class RatedMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of a load, with the rate by which it is ranked: in the units that the users of its target think in."""

    throughput_rps: Interval  # good responses per second
    stream: StreamMetrics | None = None  # None where answers are not those of a language model

    @property
    def rate(self) -> Interval:
        """Output tokens per second of a language model, results of embeddings and rankings, else good responses."""
        stream = self.stream
        return (stream and (stream.tokens_per_s or stream.results_per_s)) or self.throughput_rps

    @property
    def rate_unit(self) -> str:
        """What `rate` counts: `tokens/s`, `results/s` or `req/s`."""
        stream = self.stream
        if stream is None or not (stream.tokens_per_s or stream.results_per_s):
            return "req/s"
        return "tokens/s" if stream.tokens_per_s else "results/s"


class TimeSplit(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of the mean response time, in milliseconds; None where the server does not report them.

    send: due to sent, without what clients spent on preprocessing (client). reach: from sent until the server has read
    and parsed the request, waiting in its kernel included. read: from the arrival of a response in the
    kernel of the load machine until the load process read it. rest: what is left: writing and the way back, and where
    `reach` is not known, the way there too. The parts sum to the mean.
    """

    send_ms: float
    client_ms: float | None = None  # in the load process: preprocessing and encoding, where clients do it
    queue_ms: float | None = None
    batch_wait_ms: float | None = None
    preprocess_ms: float | None = None
    compute_ms: float | None = None
    prefill_ms: float | None = None  # of a stream: from sent, less what the server waited, to its first token
    decode_ms: float | None = None  # of a stream: from its first token to its last
    serialise_ms: float | None = None
    reach_ms: float | None = None  # from sent to the server's queue; None unless both share a machine
    read_ms: float | None = None  # in the load machine's kernel, by its time stamps; of every 8th user, each 10 ms
    rest_ms: float | None = None
    source: str = ""  # of the server's parts: `Server-Timing`, or the name of its statistics


class ServerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a language model's server says of itself over the measured window; None where it does not say."""

    source: str  # whose metrics they are
    running: float | None = None  # requests that are computed, on average
    waiting: float | None = None  # requests that wait to be
    open_waiting: float | None = None  # the same, counted: open requests of the load less running ones
    kv_cache: float | None = None  # share of the cache that is used, on average; of several engines the fullest
    preemptions: float | None = None  # requests that lost their place in the cache
    prefix_hits: float | None = None  # of the prompts' tokens, the share that was in the cache
    accepted: float | None = None  # of speculated tokens


class Steps(msgspec.Struct, frozen=True, kw_only=True):
    """What each step of preprocessing took of the mean response time, in ms, in whichever part of the split it ran."""

    clean_ms: float | None = None
    transform_ms: float | None = None
    normalise_ms: float | None = None
    augment_ms: float | None = None


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """The share of payloads with right predictions, each payload counted once."""

    value: float
    low: float
    high: float
    payloads: int  # distinct ones that were asked
    answers: int

    @property
    def interval(self) -> Interval:
        """The share with the ends of its interval."""
        return Interval(self.value, self.low, self.high)


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Resources over the measured window; None where there was no sample (no GPU, say)."""

    cpu_target_cores: float | None = None
    cpu_load_cores: float | None = None
    cpu_machine_percent: tuple[float, ...] = ()  # per core
    rss_target_mb: float | None = None  # a page that two processes share counts twice
    pss_target_mb: float | None = None  # once in all
    rss_load_mb: float | None = None
    threads_target: float | None = None
    context_switches_per_s: float | None = None
    steal_percent: float | None = None
    memory_access_ns: float | None = None  # median of random accesses on the target's cores, beyond its own caches
    gpu_utilization_percent: float | None = None
    gpu_memory_mb: float | None = None
    gpu_power_w: float | None = None
    gpu_energy_j: float | None = None
    package_energy_j: float | None = None  # of the machine's CPUs, other processes included
    gpu_clock_mhz: float | None = None
    sampler_cpu_percent: float | None = None
    sampler_late_p99_ms: float | None = None


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """One trial second by second (or finer): equal-length columns, None where a bin is empty."""

    bin_s: float
    t_s: tuple[float, ...]  # middle of the bin, seconds since the measure phase began (warm-up is negative)
    throughput_rps: tuple[float, ...]
    p50_ms: tuple[float | None, ...]
    p99_ms: tuple[float | None, ...]
    cpu_target_cores: tuple[float | None, ...] = ()
    cpu_load_cores: tuple[float | None, ...] = ()
    errors_rps: tuple[float, ...] = ()
    server: dict[str, tuple[float | None, ...]] = {}  # gauges of the server, by name


class ClassMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One request class of a point, over all its repeats."""

    name: str
    share: float  # of the requests due, from 0 to 1
    counts: Counts
    throughput_rps: Interval
    goodput_rps: Interval | None  # None without an SLO
    response: Latency
    service: Latency
    slo: Slo | None  # the class's own, or the run's
    meets_slo: bool | None  # None without an SLO or where that is undecided
    slowdown: Interval | None = None  # p99 here over p99 at `alone_point`
    alone_point: int | None = None  # the same setting and load, where this class was alone
    stream: StreamMetrics | None = None  # None where responses are not those of a language model


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which the target did not serve, in seconds since the measured window began."""

    kind: str  # "silent", "refusing", "failing"
    start_s: float
    end_s: float
    requests: int  # that waited, or that were turned away
    ended: bool  # the target served again within the window


class LimitCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests of a trial broke a bound of the objective, of how many in all."""

    bound: str  # "p99", "ttft_p90", ..., or "errors"
    allowed: float  # share
    broken: int
    total: int
    dependence: float = 1.0  # that many requests tell as much as one independent request


class TrialMetrics(RatedMetrics, frozen=True, kw_only=True):
    """One trial: one point, run once."""

    trial: int
    repeat: int
    seconds: float  # of the measured window
    counts: Counts
    response: Latency  # done - due of good responses (and >= for open ones)
    service: Latency  # done - sent
    lateness: Latency  # sent - due
    split: TimeSplit
    steps: Steps | None = None
    accuracy: Accuracy | None = None
    usage: Usage
    timeline: Timeline
    mean_batch: float | None
    in_flight_mean: float | None  # Little's law: throughput x mean response
    server: ServerFigures | None = None
    tolerance: tuple[float, float] | None = None  # of checked responses, relative and absolute
    usable_share: float = 1.0  # of the window: what others did not harm; too little of it, and all of it is judged
    outages: tuple[Outage, ...] = ()  # when the target did not serve
    limits: tuple[LimitCount, ...] = ()  # with an SLO: what broke its bounds
    start_failure: str | None = None  # why the target could not be started
    verdict: Verdict
    findings: tuple[Finding, ...]


class PointMetrics(RatedMetrics, frozen=True, kw_only=True):
    """One point: a knob setting at one load level, over all its repeats."""

    point: int
    setting: Setting  # the swept knobs only
    arrivals: str  # "closed", "poisson", ...
    concurrency: int | None
    rate_target_rps: float | None
    repeats: int
    seconds: float
    counts: Counts
    goodput_rps: Interval | None  # good responses within the SLO per second; None without an SLO
    response: Latency
    service: Latency
    lateness: Latency
    split: TimeSplit
    steps: Steps | None = None
    accuracy: Accuracy | None = None
    usage: Usage
    mean_batch: float | None
    meets_slo: bool | None  # None without an SLO or where that is undecided
    slo_more_seconds: float | None = None  # of such trials would decide it; None where it is decided, or too many would
    verdict: Verdict
    findings: tuple[Finding, ...]
    trials: tuple[TrialMetrics, ...]
    server: ServerFigures | None = None
    classes: tuple[ClassMetrics, ...] = ()  # one for each request class in the load
    servers: tuple[ClassMetrics, ...] = ()  # the same of each server, where conversations were spread over several
    cost: UnitCost | None = None  # None where nothing good came

    spread: ResponseSpread | None = None  # None where no good response came
