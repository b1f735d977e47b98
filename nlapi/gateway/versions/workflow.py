"""Loads a version from disk, and runs its stages as a pipeline that is timed stage by stage.

A version is a folder or a Python package with a `model.toml`, stages and a trained model.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import itertools
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from traceback import extract_tb
from types import ModuleType, UnionType
from typing import Any, get_origin, get_type_hints, is_typeddict

from nlapi.errors import DescriptionError
from nlapi.gateway.inference import FailureKind, InferenceError, InferenceResult
from nlapi.gateway.versions.content_digest import hash_stored
from nlapi.gateway.versions.model_artifact import Label, ModelInputError, ModelRunError, TrainedModel, hide_folders
from nlapi.gateway.versions.model_artifact import load_model as load_trained
from nlapi.routing.model import Context

STAGE_NAMES = ("preprocess", "features", "predict", "postprocess")
"""The stages in the order in which they run; a version has at least one."""

EXTRA_PARAMETERS = ("input", "context", "model")
"""The arguments that a stage receives by name, besides the value of the previous stage."""

MANIFEST_NAME = "model.toml"

_load_counter = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineStage:
    """One function of a version; `extras` are its parameters besides the value."""

    name: str
    function: Callable[..., Any]
    extras: tuple[str, ...] = ()
    is_async: bool = False


def _find_stages(module: ModuleType, model: TrainedModel | None) -> tuple[PipelineStage, ...]:
    """Return the stages that a module defines; without a `predict`, that stage is the trained model.

    DescriptionError if none exists, when a function cannot be called with one value, or when the annotated result
    of a stage does not fit the annotated parameter of the next.
    """
    stages = []
    for name in STAGE_NAMES:
        function = getattr(module, name, None)
        if function is None and name == "predict" and model is not None:
            function = model.predict
        # Only names are looked up, no decorator is needed: a version must not have to import nlapi.
        if function is not None:
            stages.append(_build_stage(name, function))
    if not stages:
        raise DescriptionError(
            f"{module.__name__} has none of the stages {', '.join(STAGE_NAMES)}",
            hint="define at least one as a function",
        )
    for before, after in pairwise(stages):
        _check_types(before, after)
    return tuple(stages)


def _build_stage(name: str, function: Any) -> PipelineStage:
    if not callable(function):
        raise DescriptionError(f"{name} is not a function")
    parameters = list(inspect.signature(function).parameters.values())
    required = [
        parameter
        for parameter in parameters[1:]
        if parameter.default is parameter.empty and parameter.name not in EXTRA_PARAMETERS
    ]
    if not parameters or required:
        required_text = ", ".join(str(parameter) for parameter in required) or "nothing"
        raise DescriptionError(
            f"{name} takes {required_text}",
            hint=f"a stage takes a value and, by name, any of {', '.join(EXTRA_PARAMETERS)}",
        )
    extras = tuple(parameter.name for parameter in parameters[1:] if parameter.name in EXTRA_PARAMETERS)
    return PipelineStage(
        name=name, function=function, extras=extras, is_async=inspect.iscoroutinefunction(inspect.unwrap(function))
    )


def _check_types(before: PipelineStage, after: PipelineStage) -> None:
    result_type = _annotated_class(_type_hints(before).get("return"))
    parameter_type = _annotated_class(_type_hints(after).get(next(iter(inspect.signature(after.function).parameters))))
    if result_type and parameter_type and not issubclass(result_type, parameter_type):
        raise DescriptionError(
            f"{before.name} gives {result_type.__name__}, and {after.name} takes {parameter_type.__name__}",
            hint="make the two annotations agree",
        )


def _annotated_class(hint: Any) -> type | None:
    """Return the class of an annotation, or None when it is not a plain class, such as a union or a TypedDict."""
    origin = get_origin(hint) or hint
    return origin if isinstance(origin, type) and origin is not UnionType and not is_typeddict(origin) else None


def _type_hints(stage: PipelineStage) -> Mapping[str, Any]:
    try:
        # PEP 484's numeric tower: an int is accepted where a float is annotated.
        return {name: float if hint is int else hint for name, hint in get_type_hints(stage.function).items()}
    except (NameError, TypeError):  # names that are imported under TYPE_CHECKING only
        return {}


class Pipeline:
    """The stages of a version with its trained model; each run is timed stage by stage."""

    def __init__(self, stages: tuple[PipelineStage, ...], model: TrainedModel | None) -> None:
        self._stages = stages
        self._model = model
        self.is_async = any(stage.is_async for stage in stages)

    # `run` repeats the loop of `run_async` so that synchronous stages, the common case, need no coroutine.
    def run(self, input_value: Any, context: Context) -> InferenceResult:
        """Run stages that are all synchronous. Failed, with the name of the stage that raised."""
        value = input_value
        timings = {}
        before = perf_counter()
        for stage in self._stages:
            try:
                value = self._call(stage, value, input_value, context)
            # SystemExit too: a stage that calls sys.exit() would end the gateway's event loop.
            except (Exception, SystemExit) as error:
                raise _stage_failure(stage, error) from error
            after = perf_counter()
            timings[stage.name] = (after - before) * 1000
            before = after
        return InferenceResult(output=value, stages=timings)

    async def run_async(self, input_value: Any, context: Context) -> InferenceResult:
        """Run stages of which some are coroutine functions. Failed, with the name of the stage that raised."""
        value = input_value
        timings = {}
        before = perf_counter()
        for stage in self._stages:
            try:
                value = self._call(stage, value, input_value, context)
                if stage.is_async:
                    value = await value
            except (Exception, SystemExit) as error:
                raise _stage_failure(stage, error) from error
            after = perf_counter()
            timings[stage.name] = (after - before) * 1000
            before = after
        return InferenceResult(output=value, stages=timings)

    def _call(self, stage: PipelineStage, value: Any, input_value: Any, context: Context) -> Any:
        if not stage.extras:
            return stage.function(value)
        extras = {"input": input_value, "context": context, "model": self._model}
        return stage.function(value, **{name: extras[name] for name in stage.extras})


def run_pipeline(pipeline: Pipeline, value: Any, context: Context) -> InferenceResult:
    """Run a pipeline outside of an event loop. InferenceError, with the name of the stage that raised."""
    if pipeline.is_async:
        return asyncio.run(pipeline.run_async(value, context))
    return pipeline.run(value, context)


def _stage_failure(stage: PipelineStage, error: BaseException) -> InferenceError:
    """Return the failure of a version whose stage raised, with the location of the error."""
    # The message of the error is left out: it may hold a user's data, and the failure is logged and recorded. Those of
    # trained models have columns and types, and no values.
    reason = f": {error}" if isinstance(error, ModelInputError | ModelRunError) else ""
    if isinstance(error, TimeoutError):
        return InferenceError(FailureKind.TIMEOUT, f"stage {stage.name} took too long", executed=True)
    return InferenceError(
        FailureKind.INVALID if isinstance(error, ModelInputError) else FailureKind.ERROR,
        f"stage {stage.name} raised {type(error).__name__}{_error_location(stage, error)}{reason}",
        executed=True,
    )


def _error_location(stage: PipelineStage, error: BaseException) -> str:
    """Return the innermost line of the version's code in the traceback, as " in stages.py, line 7"."""
    code = getattr(inspect.unwrap(stage.function), "__code__", None)
    # A trained model that is the stage itself has no line in the version.
    if code is None or isinstance(getattr(stage.function, "__self__", None), TrainedModel):
        return ""
    location = _line_below(Path(code.co_filename).parent, error)
    return f" in {location}" if location else ""


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
    mode: Mode = Mode.PROCESS
    workers: int = 1
    memory_mb: int = 2048
    """MiB that the calls in a worker process may take beyond what it has after loading (Linux)"""
    max_waiting: int = 256
    """number of calls that may wait for a worker; more are refused"""
    module: str = "stages.py"
    trained: str = ""
    columns: tuple[str, ...] = ()
    """the names of the trained part's features, where its file has none"""
    labels: tuple[Label, ...] = ()
    """the labels of the trained part's classes, where its file has none or other ones"""
    description: str = ""
    digest: str = ""
    """the digest that the folder's content must have when it is loaded; "" for any"""


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
    _check_keys(run, {"mode", "workers", "waiting", "memory_mb"}, "run.")
    _check_keys(stages, {"module"}, "stages.")
    _check_keys(trained, {"file", "columns", "labels"}, "trained.")
    trained_file = _get_text(trained, "file", "")
    # The code of a version may compute for long, run native code or end its process: in the gateway's own it would
    # hold up, or end, everybody.
    mode = run.get("mode", Mode.PROCESS)
    if mode not in tuple(Mode):
        raise DescriptionError(f"{MANIFEST_NAME}: run.mode is {mode!r}", hint=f"one of {', '.join(Mode)}")
    return ModelManifest(
        folder=folder,
        mode=Mode(mode),
        workers=_get_count(run, "workers", 1),
        max_waiting=_get_count(run, "waiting", 256),
        memory_mb=_get_count(run, "memory_mb", 2048, largest=2**20),
        module=_get_text(stages, "module", "stages.py"),
        trained=trained_file,
        columns=tuple(str(name) for name in _get_list(trained, "columns", str)),
        labels=_get_list(trained, "labels", str, int),
        description=_get_text(document, "description", ""),
    )


def load_workflow(manifest: ModelManifest) -> Workflow:
    """Import a version's stages and load its trained model. DescriptionError when that is not possible."""
    # Here and not only when the version is registered: a worker process may be started days later.
    if manifest.digest and hash_stored(manifest.folder) != manifest.digest:
        raise DescriptionError("its stored content is damaged", hint="restart the gateway, or reload the version")
    trained = None
    if manifest.trained:
        trained = load_trained(_path_inside(manifest, manifest.trained), manifest.columns, manifest.labels)
    file = _path_inside(manifest, manifest.module)
    with _import_module(file) as module:
        pipeline = Pipeline(_find_stages(module, trained), trained)
    return Workflow(manifest=manifest, pipeline=pipeline, module_name=module.__name__)


@contextmanager
def _import_module(file: Path) -> Iterator[ModuleType]:
    # Each load gets a new module name: two versions may both have a stages.py, and a version that is loaded again has
    # to be read again and not taken from sys.modules.
    name = f"nlapi_version_{next(_load_counter)}"
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=[str(file.parent)])
    if spec is None or spec.loader is None or not file.is_file():
        raise DescriptionError(
            f"{file.name} is not there", hint=f"name the file in {MANIFEST_NAME} under [stages] module"
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        yield module
    except DescriptionError:
        _unload_module(name)
        raise
    except ModuleNotFoundError as error:
        _unload_module(name)
        location = _import_location(file, error) or file.name
        raise DescriptionError(f"{location} imports {error.name}, which is not installed") from error
    except (Exception, SystemExit) as error:  # user code runs at import and may raise anything
        _unload_module(name)
        location, message = _import_location(file, error), error.msg if isinstance(error, SyntaxError) else str(error)
        place = f" in {location}" if location else ""
        message = f"{type(error).__name__}{place}: {hide_folders(message)}"
        raise DescriptionError(f"{file.name} cannot be imported: {message}") from error


def _import_location(file: Path, error: BaseException) -> str:
    """Return the line of the version's code that raised at import, as "stages.py, line 7"; "" when it is unknown."""
    # A file that cannot be parsed has no line in the traceback.
    if isinstance(error, SyntaxError) and error.filename and file.parent in Path(error.filename).parents:
        return f"{Path(error.filename).relative_to(file.parent).as_posix()}, line {error.lineno}"
    return _line_below(file.parent, error)


def _line_below(folder: Path, error: BaseException) -> str:
    """Return the innermost line in the traceback whose file is below a folder."""
    for frame in reversed(extract_tb(error.__traceback__)):
        if folder in Path(frame.filename).parents:
            return f"{Path(frame.filename).relative_to(folder).as_posix()}, line {frame.lineno}"
    return ""


def _unload_module(name: str) -> None:
    for loaded_name in [
        loaded_name for loaded_name in sys.modules if loaded_name == name or loaded_name.startswith(name + ".")
    ]:
        del sys.modules[loaded_name]


def _path_inside(manifest: ModelManifest, name: str) -> Path:
    file, folder = (manifest.folder / name).resolve(), manifest.folder.resolve()
    if not file.is_relative_to(folder):
        raise DescriptionError(f"{MANIFEST_NAME} names {name!r}, which is outside its folder")
    # Below the folder as it is given: a worker of another user has it open, and cannot go through those above it.
    return manifest.folder / file.relative_to(folder)


def _get_table(document: dict[str, Any], name: str) -> dict[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise DescriptionError(f"{MANIFEST_NAME}: {name} is not a table")
    return table


def _check_keys(table: dict[str, Any], names: set[str], prefix: str) -> None:
    for name in table.keys() - names:
        raise DescriptionError(
            f"{MANIFEST_NAME}: unknown field {prefix}{name}", hint=f"one of {', '.join(sorted(names))}"
        )


def _get_count(table: dict[str, Any], name: str, default: int, *, largest: int = 10_000) -> int:
    value = table.get(name, default)
    # TOML has separate booleans, but in Python `true` is also an int.
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= largest:
        raise DescriptionError(f"{MANIFEST_NAME}: run.{name} is {value!r}", hint=f"a whole number from 1 to {largest}")
    return value


def _get_list(table: dict[str, Any], name: str, *types: type) -> tuple[Any, ...]:
    values = table.get(name, [])
    names = " or ".join({str: "texts", int: "whole numbers"}[item] for item in types)
    if not isinstance(values, list) or not all(type(value) in types for value in values):
        raise DescriptionError(f"{MANIFEST_NAME}: trained.{name} is {values!r}", hint=f"a list of {names}")
    if len(set(values)) < len(values):
        raise DescriptionError(f"{MANIFEST_NAME}: trained.{name} has a name twice")
    return tuple(values)


def _get_text(table: dict[str, Any], name: str, default: str) -> str:
    value = table.get(name, default)
    if not isinstance(value, str):
        raise DescriptionError(f"{MANIFEST_NAME}: {name} is {value!r}", hint="a text")
    return value
