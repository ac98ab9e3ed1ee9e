"""The process that a target is, whether its server is ours or somebody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.embedded import EmbeddedTarget
from harness.server_process import ServerProcess

if TYPE_CHECKING:
    from pathlib import Path

    from harness.isolation import Cores
    from harness.knobs import Setting
    from harness.target import Progress, TargetSpec


def target_process(
    spec: TargetSpec,
    model: str,
    setting: Setting,
    *,
    cores: Cores = (),
    log: Path | None = None,
    progress: Progress | None = None,
) -> EmbeddedTarget | ServerProcess:
    """One start of `spec`, still to be started; arguments as those of EmbeddedTarget. Raises UserError."""
    if spec.server is not None:
        return ServerProcess(spec.server, model, setting, cores=cores, log=log, progress=progress)
    return EmbeddedTarget(spec, model, setting, cores=cores, log=log, progress=progress)
