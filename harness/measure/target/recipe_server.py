"""Starts an external server by its recipe, waits until it is ready, stops it with everything that it started."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.clock import NS_PER_S, MonotonicClock
from harness.errors import RunError, UserError
from harness.measure.target.endpoint import ReadyServer
from harness.measure.target.listening_process import is_alive, leads_group, server_process, signal_tree
from harness.measure.target.prepared_model import prepare_model
from harness.measure.target.recipe_venv import python_of
from harness.plan.server_recipe import PORTS, filled
from harness.system.child_process import ChildProcess
from harness.system.cpu_cores import usable_cores
from harness.system.process_guard import ProcessGuard
from harness.wire.bounded_http import OK, NoResponseError, get
from harness.wire.failure_text import quoted
from harness.wire.http.raw_bodies import HTTP
from harness.wire.server_url import free_ports, parse_url

if TYPE_CHECKING:
    from pathlib import Path

    from harness.plan.knobs import Setting
    from harness.plan.server_recipe import ServerRecipe
    from harness.plan.target_spec import Progress
    from harness.system.cpu_cores import Cores

POLL_S = 0.05
ASK_TIMEOUT_S = 2.0
COMMAND_LIMIT_S = 600.0


class RecipeServer:
    """One start of a recipe's server, in its own process group. It ends when this process does, even by kill -9.

    Args:
        recipe: says how it is started.
        model: which of the recipe's models it serves.
        setting: all of its knobs.
        cores: the CPU cores it may use; all where empty.
        log: the file its output is appended to; None: only the last lines are kept, for errors.
        progress: called during long steps before it is ready.
    """

    def __init__(
        self,
        recipe: ServerRecipe,
        model: str,
        setting: Setting,
        *,
        cores: Cores = (),
        log: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._recipe = recipe
        self._model = model
        self._setting = setting
        self._cores = cores
        self._log = log
        self._progress = progress or (lambda *_: None)
        self._process: ChildProcess | None = None
        self._ready: ReadyServer | None = None
        self._pid: int | None = None
        self._left = False  # the command has ended in order, and left the server behind
        self._guard: ProcessGuard | None = None  # of a server that is not in the command's group
        self._apart = False  # the command runs, and the server is none of its children, as with ssh to this machine
        self._filled: dict[str, object] = {}
        self._env: dict[str, str] = {}
        self._clock = MonotonicClock()

    @property
    def ready(self) -> ReadyServer:
        """Its URLs and what it serves. Raises RuntimeError before `start`."""
        if self._ready is None:
            raise RuntimeError("start() comes first")
        return self._ready

    @property
    def pid(self) -> int | None:
        """The root of its processes; None before `start`, and where it cannot be said which they are."""
        return self._pid

    def alive(self) -> bool:
        """Whether it runs, as far as that can be seen."""
        if self._process is None:
            return False
        return self._process.exit_code is None or (self._left and (self._pid is None or is_alive(self._pid)))

    def start(self) -> ReadyServer:
        """Start it and wait until it is ready. Raises UserError (recipe, installation), RunError (death, silence)."""
        recipe = self._recipe
        reference = filled(recipe.reference, {"model": self._model})
        prepared = prepare_model(reference, recipe.model_format) if reference else None
        values = self._values(prepared.file if prepared else None)
        url, grpc_url, metrics = (filled(each, values) for each in (recipe.url, recipe.grpc_url, recipe.metrics))
        self._filled, self._env = values, {**os.environ, **{k: filled(v, values) for k, v in recipe.env.items()}}
        argv = self._words(recipe.command)
        for command in recipe.before:
            self._run(command)
        self._progress(f"waiting for {recipe.name}", 0, 1)
        self._process = self._spawn(argv, self._env)
        try:
            self._await_ready(self._process, self._root(url), filled(recipe.ready.path, values))
            self._pid = self._find_pid(self._process, url)
            self._apart = not recipe.pid_command and _is_apart(self._pid, self._process)
            self._guard = self._guard_of(self._process)
        except BaseException:
            self.stop()
            raise
        self._progress(f"waiting for {recipe.name}", 1, 1)
        bank = prepared.bank if prepared else None
        grpc_url = grpc_url or (url if url.startswith("grpc") else "")
        self._ready = ReadyServer(url=url, grpc_url=grpc_url or None, bank=bank, metrics_url=metrics or None)
        return self._ready

    def _root(self, url: str) -> str:
        """Where the paths of its health begin: the path of a service that speaks no known protocol is its own."""
        if self._recipe.protocol != HTTP.name:
            return url
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}"

    def _values(self, model_file: Path | None) -> dict[str, object]:
        recipe = self._recipe
        return {
            **self._setting,
            **dict(zip(PORTS, free_ports(len(PORTS)), strict=True)),
            "model": self._model,
            "model_file": model_file or "",
            "python": python_of(recipe),
            "recipe_dir": recipe.folder,
            "cores": len(self._cores or usable_cores()) or 1,
        }

    def _spawn(self, argv: list[str], env: dict[str, str]) -> ChildProcess:
        try:
            return ChildProcess(
                argv,
                log=self._log,
                cores=self._cores,
                cwd=self._folder,
                env=env,
            )
        except OSError as error:
            raise UserError(f"{self._recipe.name}: cannot start {argv[0]} ({error.strerror}); see command in "
                            f"{self._recipe.path}") from error  # fmt: skip

    def _await_ready(self, process: ChildProcess, url: str, path: str) -> None:
        check = self._recipe.ready
        deadline_ns = self._clock.now_ns() + round(check.timeout_s * NS_PER_S)
        line = re.compile(check.line) if check.line else None
        while True:
            if (code := process.exit_code) is not None and not self._leaves(code):
                raise RunError(f"{self._recipe.name}: died at start with exit code {code}: {_last_output(process)}")
            missing = _not_answering(url, path) if path else ""
            if not path and line is None:
                missing = _not_accepting(url)
            if not missing and line is not None and not line.search(process.output()):
                missing = f"no line of its output matches {check.line!r}"
            if not missing:
                return
            if self._clock.now_ns() > deadline_ns:
                raise RunError(
                    f"{self._recipe.name}: not ready after {check.timeout_s:g} s ({missing}); its output: "
                    f"{_last_output(process)}; if it needs longer, raise ready.timeout_s in {self._recipe.path}"
                )
            self._clock.sleep_until_ns(self._clock.now_ns() + round(POLL_S * NS_PER_S))

    def _leaves(self, code: int) -> bool:
        """Whether a command that has ended so has left a server behind, as far as is known now."""
        self._left = code == 0
        return self._left

    def _find_pid(self, process: ChildProcess, url: str) -> int | None:
        """The root of the server's processes. Raises RunError where the recipe's command does not say it."""
        if self._recipe.pid_command:
            said = self._run(self._recipe.pid_command).strip()
            if not said.isdigit() or not is_alive(int(said)):
                raise RunError(f"{self._recipe.name}: pid_command said {quoted(said)!r}, and that is no process here")
            return int(said)
        parsed = parse_url(url)
        return server_process(process.pid if process.exit_code is None else None, parsed.host, parsed.port)

    def _guard_of(self, process: ChildProcess) -> ProcessGuard | None:
        """What ends a server that the end of its command's process group does not end, when this process is killed."""
        order = self._words(self._recipe.stop.command)
        if not (order or self._left or self._apart or self._recipe.pid_command):
            return None
        pid = self._pid or process.pid
        return ProcessGuard(pid, group=leads_group(pid), order=order, cwd=self._folder, env=self._env)

    @property
    def _folder(self) -> Path:
        return self._recipe.folder / self._recipe.directory

    def _words(self, command: tuple[str, ...]) -> list[str]:
        return [word for word in (filled(word, self._filled) for word in command) if word]

    def _run(self, command: tuple[str, ...]) -> str:
        """Run a command of the recipe to its end, and return what it prints. Raises RunError where it fails."""
        argv, limit_s = self._words(command), COMMAND_LIMIT_S
        try:
            done = subprocess.run(
                argv, cwd=self._folder, env=self._env, capture_output=True, text=True, timeout=limit_s, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RunError(f"{self._recipe.name}: {argv[0]} failed ({error})") from error
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as log:
                log.write(f"{done.stdout}{done.stderr}")
        if done.returncode != 0:
            words = quoted(done.stderr or done.stdout)
            raise RunError(f"{self._recipe.name}: {' '.join(argv)} ended with exit code {done.returncode}: {words}")
        return done.stdout

    def set_knobs(self, changes: Setting) -> None:
        """Raises UserError: no knob of a recipe is live."""
        raise UserError(f"{', '.join(changes)}: takes a restart of {self._recipe.name}")

    def stop(self) -> None:
        """Ask it to end, then kill its whole process group. Does nothing where it was not started.

        Commands of the recipe that fail meanwhile do not keep the rest from being done.
        """
        process, order = self._process, self._recipe.stop
        if process is None:
            return
        number = getattr(signal, order.signal)
        if order.command:
            self._try(order.command)
        else:
            process.signal(number)
            if not self._apart:  # else its command may end it
                self._end_left(number)
        process.wait(order.timeout_s)
        if self._apart:
            self._end_left(signal.SIGTERM)
        self._end_left(signal.SIGKILL)
        process.kill()  # and whatever it started and left behind
        for command in self._recipe.after:
            self._try(command)
        process.close()
        if self._guard is not None:
            self._guard.release()
        self._process = self._pid = self._guard = None

    def _try(self, command: tuple[str, ...]) -> None:
        with contextlib.suppress(RunError):
            self._run(command)

    def _end_left(self, number: signal.Signals) -> None:
        """Signal a server that was left behind, and wait until it has ended."""
        if not (self._left or self._apart) or self._pid is None or not is_alive(self._pid):
            return
        signal_tree(self._pid, number)
        deadline_ns = self._clock.now_ns() + round(self._recipe.stop.timeout_s * NS_PER_S)
        while is_alive(self._pid) and self._clock.now_ns() < deadline_ns:
            self._clock.sleep_until_ns(self._clock.now_ns() + round(POLL_S * NS_PER_S))


def _is_apart(pid: int | None, process: ChildProcess) -> bool:
    """Whether the server with that pid is no child of the command, and was started after it."""
    import psutil

    if pid is None or process.exit_code is not None:
        return False
    try:
        command, server = psutil.Process(process.pid), psutil.Process(pid)
        return command != server and command not in server.parents() and server.create_time() >= command.create_time()
    except psutil.Error:
        return False


def _last_output(process: ChildProcess) -> str:
    return process.last_words() or "nothing"


def _not_answering(url: str, path: str) -> str:
    """Why GET `path` does not answer 200, in words; empty where it does."""
    try:
        status = get(parse_url(url), path, timeout_s=ASK_TIMEOUT_S).status
    except NoResponseError as error:
        return f"GET {path}: {error}"
    return "" if status == OK else f"GET {path} answers {status}"


def _not_accepting(url: str) -> str:
    """Why the server's port accepts no connection, in words; empty where it does."""
    try:
        parse_url(url).connect(ASK_TIMEOUT_S).close()
    except OSError as error:
        return f"its port: {error.strerror or error}"
    return ""
