"""The stages of a version: its functions, how each is called, and what each took."""

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
"""The stages in the order in which they run; a version has any of them."""

EXTRAS = ("input", "context", "model")
"""What a stage is given besides the value of the stage before, when it names it as a parameter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One function of a version. `extras` are the parameters that it wants besides its value."""

    name: str
    function: Callable[..., Any]
    extras: tuple[str, ...] = ()
    asynchronous: bool = False


def stages_of(module: ModuleType, model: Trained | None) -> tuple[Stage, ...]:
    """The stages that a module defines. A trained model predicts by itself when there is no `predict`.

    DescriptionError when there are none, when a function cannot be called with one value, or when a stage's declared
    result is not what the next one declares to take.
    """
    found = []
    for name in NAMES:
        function = getattr(module, name, None)
        if function is None and name == "predict" and model is not None:
            function = model.predict
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
    """The class of an annotation; None for a union, a name that is only for the type checker, and so on."""
    found = get_origin(hint) or hint
    return found if isinstance(found, type) and found is not UnionType and not is_typeddict(found) else None


def _hints(stage: Stage) -> Mapping[str, Any]:
    try:
        return {name: float if hint is int else hint for name, hint in get_type_hints(stage.function).items()}
    except (NameError, TypeError):  # names that exist for the type checker only
        return {}


class Pipeline:
    """The stages of a version with its trained model, ready to run; each run is timed stage by stage."""

    def __init__(self, stages: tuple[Stage, ...], model: Trained | None) -> None:
        self._stages = stages
        self._model = model
        self.asynchronous = any(stage.asynchronous for stage in stages)

    def run(self, given: Any, context: Context) -> Ran:
        """Run stages that are all synchronous. Failed names the stage that raised."""
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
        """Run stages, some of which are coroutine functions. Failed names the stage that raised."""
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
    """The failure of a version whose stage raised, and where. Its text is left out: it may hold a user's data."""
    if isinstance(error, TimeoutError):
        return Failed(FailureKind.TIMEOUT, f"stage {stage.name} took too long", ran=True)
    return Failed(
        FailureKind.ERROR, f"stage {stage.name} raised {type(error).__name__}{_place(stage, error)}", ran=True
    )


def _place(stage: Stage, error: Exception) -> str:
    """The last line of the version's own code that the error came through, as " in stages.py, line 7"."""
    code = getattr(inspect.unwrap(stage.function), "__code__", None)
    folder = Path(code.co_filename).parent if code is not None else Path()
    frames = [one for one in extract_tb(error.__traceback__) if folder in Path(one.filename).parents]
    return f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if code is not None and frames else ""
