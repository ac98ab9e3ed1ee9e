"""Sets the devices of a fit: threads, and data parallelism over GPUs or over parts of the CPU."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


@dataclass(frozen=True, slots=True)
class Devices:
    """The names of the devices, and the scope in which model and optimizer must be created."""

    names: tuple[str, ...]
    scope: AbstractContextManager[Any]


def claim(count: int, threads: int) -> Devices:
    """Configure `count` devices for a synchronous data-parallel fit (`tf.distribute.MirroredStrategy`).

    Uses GPUs where there are enough; otherwise divides the CPU into `count` logical devices, which share its cores.
    Call it before TensorFlow has computed.
    """
    import tensorflow as tf

    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    gpus = tf.config.list_physical_devices("GPU")
    kind = "GPU" if len(gpus) >= count and gpus else "CPU"
    if count == 1:
        return Devices((f"{kind}:0",), contextlib.nullcontext())
    if kind == "CPU":
        (cpu, *_) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    names = tuple(f"{kind}:{number}" for number in range(count))
    reduction = tf.distribute.ReductionToOneDevice() if kind == "CPU" else None  # NCCL supports only GPUs
    strategy = tf.distribute.MirroredStrategy(names, cross_device_ops=reduction)
    return Devices(names, strategy.scope())
