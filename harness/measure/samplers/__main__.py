"""`python -m harness.measure.samplers` runs the sampler process, which the harness starts beside every trial.

It ends on {"stop": true}, on SIGTERM, and when the process that started it is gone.
"""

from __future__ import annotations

import argparse
import importlib
import signal
from pathlib import Path

from harness.clock import NS_PER_MS
from harness.measure.samplers.machine.memory_access import places
from harness.measure.samplers.sampler import Sampler, StoppableClock, make_readers, run
from harness.measure.samplers.ticks import Timer
from harness.record.samples import SampleWriter
from harness.system.control_channel import ControlChannel


def prepare() -> None:
    """Import and make ahead what no command line changes (`harness/measure/forks/`)."""
    for name in ("ctypes.util", "pyarrow.ipc"):
        importlib.import_module(name)
    places()


def main() -> int:
    """Sample until the parent asks to stop. A failure is sent to the parent, with exit code 1."""
    options = _options()
    control = ControlChannel.inherited(options.control_fd)
    clock = StoppableClock()
    control.watch(lambda message: clock.stop() if message.get("stop") else None, clock.stop)
    signal.signal(signal.SIGTERM, lambda *_: clock.stop())
    try:
        sampler = Sampler(clock, make_readers(options.target_pid, options.load_pid))
        with SampleWriter(options.out) as writer:
            timer = Timer(clock, int(options.interval_ms * NS_PER_MS))
            run(sampler, timer, writer, lambda: clock.stopped, lambda: control.send({"event": "ready"}))
    except Exception as error:  # noqa: BLE001  (the border of the process: the parent records it)
        control.send({"event": "error", "message": f"{type(error).__name__}: {error}"})
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m harness.measure.samplers", description=__doc__)
    parser.add_argument("--target-pid", type=int, help="the target's process; absent: there is none")
    parser.add_argument("--load-pid", type=int, help="the load process")
    parser.add_argument("--interval-ms", type=float, default=100.0, help="from one reading to the next")
    parser.add_argument("--out", type=Path, required=True, help="Arrow IPC stream file to write")
    parser.add_argument("--control-fd", type=int, required=True, help="the inherited end of the control channel")
    options = parser.parse_args()
    if options.interval_ms < 1:
        parser.error("--interval-ms: at least 1")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
