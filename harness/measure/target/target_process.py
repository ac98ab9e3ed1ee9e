"""The process that a target is, whether its server is ours or somebody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.measure.target.embedded import EmbeddedTarget
from harness.measure.target.recipe_server import ServerProcess

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cpu_cores import Cores
    from harness.plan.knobs import Setting
    from harness.plan.target_spec import Progress, TargetSpec


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
