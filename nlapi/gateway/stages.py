"""The stages of a version: the functions of its module as a pipeline that is timed stage by stage."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from traceback import extract_tb
from types import ModuleType, UnionType
from typing import Any, get_origin, get_type_hints, is_typeddict

from nlapi.errors import DescriptionError
from nlapi.gateway.calls import Failed, FailureKind, Ran
from nlapi.gateway.trained import Trained
from nlapi.routing.nouns import Context

NAMES = ("preprocess", "features", "predict", "postprocess")
"""The stages in the order in which they run; a version has at least one."""

EXTRAS = ("input", "context", "model")
"""The arguments that a stage receives by name, besides the value of the previous stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One function of a version; `extras` are its parameters besides the value."""

    name: str
    function: Callable[..., Any]
    extras: tuple[str, ...] = ()
    asynchronous: bool = False


def stages_of(module: ModuleType, model: Trained | None) -> tuple[Stage, ...]:
    """Return the stages that a module defines; without a `predict`, that stage is the trained model.

    DescriptionError when there are none, when a function cannot be called with one value, or when the annotated result
    of a stage does not fit the annotated parameter of the next.
    """
    found = []
    for name in NAMES:
        function = getattr(module, name, None)
        if function is None and name == "predict" and model is not None:
            function = model.predict
        # Only names are looked up, no decorator is needed: a version must not have to import nlapi.
        if function is not None:
            found.append(_stage(name, function))
    if not found:
        raise DescriptionError(
            f"{module.__name__} has none of the stages {', '.join(NAMES)}", hint="define at least one as a function"
        )
    for before, after in pairwise(found):
        _check_types(before, after)
    return tuple(found)


def _stage(name: str, function: Any) -> Stage:
    if not callable(function):
        raise DescriptionError(f"{name} is not a function")
    parameters = list(inspect.signature(function).parameters.values())
    needed = [one for one in parameters[1:] if one.default is one.empty and one.name not in EXTRAS]
    if not parameters or needed:
        named = ", ".join(str(one) for one in needed) or "nothing"
        raise DescriptionError(
            f"{name} takes {named}", hint=f"a stage takes a value and, by name, any of {', '.join(EXTRAS)}"
        )
    extras = tuple(one.name for one in parameters[1:] if one.name in EXTRAS)
    return Stage(
        name=name, function=function, extras=extras, asynchronous=inspect.iscoroutinefunction(inspect.unwrap(function))
    )


def _check_types(before: Stage, after: Stage) -> None:
    given = _class(_hints(before).get("return"))
    taken = _class(_hints(after).get(next(iter(inspect.signature(after.function).parameters))))
    if given and taken and not issubclass(given, taken):
        raise DescriptionError(
            f"{before.name} gives {given.__name__}, and {after.name} takes {taken.__name__}",
            hint="make the two annotations agree",
        )


def _class(hint: Any) -> type | None:
    """Return the class of an annotation, or None when it is not a plain class, such as a union or a TypedDict."""
    found = get_origin(hint) or hint
    return found if isinstance(found, type) and found is not UnionType and not is_typeddict(found) else None


def _hints(stage: Stage) -> Mapping[str, Any]:
    try:
        # PEP 484's numeric tower: an int is accepted where a float is annotated.
        return {name: float if hint is int else hint for name, hint in get_type_hints(stage.function).items()}
    except (NameError, TypeError):  # names that are imported under TYPE_CHECKING only
        return {}


class Pipeline:
    """The stages of a version with its trained model; each run is timed stage by stage."""

    def __init__(self, stages: tuple[Stage, ...], model: Trained | None) -> None:
        self._stages = stages
        self._model = model
        self.asynchronous = any(stage.asynchronous for stage in stages)

    # `run` repeats the loop of `run_async` so that synchronous stages, the common case, need no coroutine.
    def run(self, given: Any, context: Context) -> Ran:
        """Run stages that are all synchronous. Failed, with the name of the stage that raised."""
        value = given
        timings = {}
        before = perf_counter()
        for stage in self._stages:
            try:
                value = self._call(stage, value, given, context)
            except Exception as error:
                raise failed(stage, error) from error
            after = perf_counter()
            timings[stage.name] = (after - before) * 1000
            before = after
        return Ran(output=value, stages=timings)

    async def run_async(self, given: Any, context: Context) -> Ran:
        """Run stages of which some are coroutine functions. Failed, with the name of the stage that raised."""
        value = given
        timings = {}
        before = perf_counter()
        for stage in self._stages:
            try:
                value = self._call(stage, value, given, context)
                if stage.asynchronous:
                    value = await value
            except Exception as error:
                raise failed(stage, error) from error
            after = perf_counter()
            timings[stage.name] = (after - before) * 1000
            before = after
        return Ran(output=value, stages=timings)

    def _call(self, stage: Stage, value: Any, given: Any, context: Context) -> Any:
        if not stage.extras:
            return stage.function(value)
        extras = {"input": given, "context": context, "model": self._model}
        return stage.function(value, **{name: extras[name] for name in stage.extras})


def failed(stage: Stage, error: Exception) -> Failed:
    """Return the failure of a version whose stage raised, with the location of the error."""
    # The message of the error is left out: it may hold a user's data, and the failure is logged and sent to the client.
    if isinstance(error, TimeoutError):
        return Failed(FailureKind.TIMEOUT, f"stage {stage.name} took too long", ran=True)
    return Failed(
        FailureKind.ERROR, f"stage {stage.name} raised {type(error).__name__}{_place(stage, error)}", ran=True
    )


def _place(stage: Stage, error: Exception) -> str:
    """Return the innermost line of the version's code in the traceback, as " in stages.py, line 7"."""
    code = getattr(inspect.unwrap(stage.function), "__code__", None)
    folder = Path(code.co_filename).parent if code is not None else Path()
    frames = [one for one in extract_tb(error.__traceback__) if folder in Path(one.filename).parents]
    return f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if code is not None and frames else ""
