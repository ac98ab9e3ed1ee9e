"""Makes the Python environments of recipes: one for each requirements file, kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import shutil
import sys
from typing import TYPE_CHECKING

from harness.errors import RunError, UserError
from harness.files import cache_folder
from harness.system.child_process import run_to_end

if TYPE_CHECKING:
    from pathlib import Path

    from harness.plan.server_recipe import ServerRecipe

INSTALL_TIMEOUT_S = 900.0
MARK = "installed"  # written last


def python_of(recipe: ServerRecipe) -> str:
    """The interpreter that `{python}` stands for. Raises UserError where its environment is not installed."""
    if not recipe.requirements:
        return sys.executable
    folder = environment_of(recipe)
    if not _installed(folder):
        raise UserError(f"{recipe.name}: not installed; run `python -m harness prepare {_as_typed(recipe)}`")
    return str(folder / "bin" / "python")


def environment_of(recipe: ServerRecipe) -> Path:
    """The folder of its environment, whether it exists or not; a hash of its requirements is in the name."""
    files = [_file(recipe, name) for name in (recipe.requirements, recipe.requirements_alone) if name]
    made_of = b"".join(file.read_bytes() for file in files) + recipe.interpreter.encode()
    return cache_folder("servers") / f"{recipe.name}-{hashlib.sha256(made_of).hexdigest()[:12]}"


def install(recipe: ServerRecipe) -> Path:
    """Make the environment with pip where it is not there. Raises UserError (requirements), RunError (pip)."""
    folder = environment_of(recipe)
    if not _installed(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        python = str(folder / "bin" / "python")
        _run([_interpreter(recipe), "-m", "venv", "--clear", str(folder)], recipe)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "-r", str(_file(recipe, recipe.requirements))], recipe)
        if recipe.requirements_alone:
            _run([*pip, "--no-deps", "-r", str(_file(recipe, recipe.requirements_alone))], recipe)
        (folder / MARK).touch()
    return folder


def _installed(folder: Path) -> bool:
    return (folder / MARK).exists()


def _interpreter(recipe: ServerRecipe) -> str:
    name = recipe.interpreter or sys.executable
    found = shutil.which(name)
    if found is None:
        raise UserError(f"{recipe.name}: needs the interpreter {name}, which is not installed")
    return found


def _file(recipe: ServerRecipe, name: str) -> Path:
    path = recipe.folder / name
    if not path.is_file():
        raise UserError(f"{recipe.path}: requirements {name}: no such file beside the recipe")
    return path


def _run(argv: list[str], recipe: ServerRecipe) -> None:
    done = run_to_end(argv, INSTALL_TIMEOUT_S)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RunError(f"installing {recipe.name} failed: {last}")


def _as_typed(recipe: ServerRecipe) -> str:
    return recipe.name if recipe.folder.name == recipe.name else recipe.path
