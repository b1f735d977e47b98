"""The loading of a version from disk: a folder or a Python package with a `model.toml`, stages and a trained model."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

from nlapi.errors import DescriptionError
from nlapi.gateway.stages import Pipeline, find_stages
from nlapi.gateway.model_artifact import load_model as load_trained

MANIFEST_NAME = "model.toml"

_load_counter = itertools.count()


class Mode(StrEnum):
    """The place where the stages of a version run."""

    INLINE = "inline"
    """in the event loop: for stages of microseconds, or asynchronous ones"""
    THREAD = "thread"
    """in threads: for stages that wait, or that release the interpreter's lock"""
    PROCESS = "process"
    """in processes: for stages that compute in Python"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelManifest:
    """The content of a `model.toml`."""

    folder: Path
    mode: Mode = Mode.INLINE
    workers: int = 1
    max_waiting: int = 256
    """number of calls that may wait for a worker; more are refused"""
    module: str = "stages.py"
    trained: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A version that is loaded in this process."""

    manifest: ModelManifest
    pipeline: Pipeline
    module_name: str
    """the module name that its stages were imported under"""

    def unload(self) -> None:
        _unload_module(self.module_name)


def find_folder(source: str, root: Path) -> Path:
    """Return the folder of `source`, a path below `root` or a Python package. DescriptionError when it is neither."""
    folder = (root / source).resolve()
    # After resolve(), which follows links: a source comes from an operator, and must not load code from elsewhere.
    if not folder.is_relative_to(root.resolve()):
        raise DescriptionError(f"{source!r} is outside the folder of models", hint="give a path below that folder")
    if (folder / MANIFEST_NAME).is_file():
        return folder
    if source and all(part.isidentifier() for part in source.split(".")):
        try:
            spec = importlib.util.find_spec(source)
        except (ImportError, ValueError):
            spec = None
        for location in (spec.submodule_search_locations or ()) if spec else ():
            if (Path(location) / MANIFEST_NAME).is_file():
                return Path(location).resolve()
    raise DescriptionError(
        f"{source!r} has no {MANIFEST_NAME}", hint=f"give a folder or a Python package that holds a {MANIFEST_NAME}"
    )


def read_manifest(folder: Path) -> ModelManifest:
    """Read the manifest in a version's folder. DescriptionError that names the invalid field."""
    file = folder / MANIFEST_NAME
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DescriptionError(f"{file.name} cannot be read: {error}") from error
    run, stages, trained = (_get_table(document, name) for name in ("run", "stages", "trained"))
    _check_keys(document, {"description", "run", "stages", "trained"}, "")
    _check_keys(run, {"mode", "workers", "waiting"}, "run.")
    _check_keys(stages, {"module"}, "stages.")
    _check_keys(trained, {"file"}, "trained.")
    mode = run.get("mode", Mode.INLINE)
    if mode not in tuple(Mode):
        raise DescriptionError(f"{MANIFEST_NAME}: run.mode is {mode!r}", hint=f"one of {', '.join(Mode)}")
    return ModelManifest(
        folder=folder,
        mode=Mode(mode),
        workers=_get_count(run, "workers", 1),
        max_waiting=_get_count(run, "waiting", 256),
        module=_get_text(stages, "module", "stages.py"),
        trained=_get_text(trained, "file", ""),
        description=_get_text(document, "description", ""),
    )


def load_workflow(manifest: ModelManifest) -> Workflow:
    """Import a version's stages and load its trained model. DescriptionError when that is not possible."""
    trained = load_trained(_path_inside(manifest, manifest.trained)) if manifest.trained else None
    file = _path_inside(manifest, manifest.module)
    with _import_module(file) as module:
        pipeline = Pipeline(find_stages(module, trained), trained)
    return Workflow(manifest=manifest, pipeline=pipeline, module_name=module.__name__)


@contextmanager
def _import_module(file: Path) -> Iterator[ModuleType]:
    # Each load gets a new module name: two versions may both have a stages.py, and a version that is loaded again has
    # to be read again and not taken from sys.modules.
    name = f"nlapi_version_{next(_load_counter)}"
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=[str(file.parent)])
    if spec is None or spec.loader is None or not file.is_file():
        raise DescriptionError(f"{file.name} is not there", hint=f"name the file in {MANIFEST_NAME} under [stages] module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        yield module
    except DescriptionError:
        _unload_module(name)
        raise
    except ImportError as error:
        _unload_module(name)
        raise DescriptionError(f"{file.name} imports {error.name}, which is not installed") from error
    except Exception as error:  # user code runs at import and may raise anything
        _unload_module(name)
        raise DescriptionError(f"{file.name} cannot be imported: {type(error).__name__}: {error}") from error


def _unload_module(name: str) -> None:
    for loaded_name in [loaded_name for loaded_name in sys.modules if loaded_name == name or loaded_name.startswith(name + ".")]:
        del sys.modules[loaded_name]


def _path_inside(manifest: ModelManifest, name: str) -> Path:
    file = (manifest.folder / name).resolve()
    if not file.is_relative_to(manifest.folder.resolve()):
        raise DescriptionError(f"{MANIFEST_NAME} names {name!r}, which is outside its folder")
    return file


def _get_table(document: dict[str, Any], name: str) -> dict[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise DescriptionError(f"{MANIFEST_NAME}: {name} is not a table")
    return table


def _check_keys(table: dict[str, Any], names: set[str], prefix: str) -> None:
    for name in table.keys() - names:
        raise DescriptionError(f"{MANIFEST_NAME}: unknown field {prefix}{name}", hint=f"one of {', '.join(sorted(names))}")


def _get_count(table: dict[str, Any], name: str, default: int) -> int:
    value = table.get(name, default)
    # TOML has booleans of its own, but in Python `true` is also an int.
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 10_000:
        raise DescriptionError(f"{MANIFEST_NAME}: run.{name} is {value!r}", hint="a whole number from 1 to 10000")
    return value


def _get_text(table: dict[str, Any], name: str, default: str) -> str:
    value = table.get(name, default)
    if not isinstance(value, str):
        raise DescriptionError(f"{MANIFEST_NAME}: {name} is {value!r}", hint="a text")
    return value
