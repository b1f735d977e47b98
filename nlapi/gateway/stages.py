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
from nlapi.gateway.inference import InferenceError, FailureKind, InferenceResult
from nlapi.gateway.model_artifact import TrainedModel
from nlapi.routing.nouns import Context

STAGE_NAMES = ("preprocess", "features", "predict", "postprocess")
"""The stages in the order in which they run; a version has at least one."""

EXTRA_PARAMETERS = ("input", "context", "model")
"""The arguments that a stage receives by name, besides the value of the previous stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineStage:
    """One function of a version; `extras` are its parameters besides the value."""

    name: str
    function: Callable[..., Any]
    extras: tuple[str, ...] = ()
    is_async: bool = False


def find_stages(module: ModuleType, model: TrainedModel | None) -> tuple[PipelineStage, ...]:
    """Return the stages that a module defines; without a `predict`, that stage is the trained model.

    DescriptionError when there are none, when a function cannot be called with one value, or when the annotated result
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
            f"{module.__name__} has none of the stages {', '.join(STAGE_NAMES)}", hint="define at least one as a function"
        )
    for before, after in pairwise(stages):
        _check_types(before, after)
    return tuple(stages)


def _build_stage(name: str, function: Any) -> PipelineStage:
    if not callable(function):
        raise DescriptionError(f"{name} is not a function")
    parameters = list(inspect.signature(function).parameters.values())
    required = [parameter for parameter in parameters[1:] if parameter.default is parameter.empty and parameter.name not in EXTRA_PARAMETERS]
    if not parameters or required:
        required_text = ", ".join(str(parameter) for parameter in required) or "nothing"
        raise DescriptionError(
            f"{name} takes {required_text}", hint=f"a stage takes a value and, by name, any of {', '.join(EXTRA_PARAMETERS)}"
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
            except Exception as error:
                raise stage_failure(stage, error) from error
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
            except Exception as error:
                raise stage_failure(stage, error) from error
            after = perf_counter()
            timings[stage.name] = (after - before) * 1000
            before = after
        return InferenceResult(output=value, stages=timings)

    def _call(self, stage: PipelineStage, value: Any, input_value: Any, context: Context) -> Any:
        if not stage.extras:
            return stage.function(value)
        extras = {"input": input_value, "context": context, "model": self._model}
        return stage.function(value, **{name: extras[name] for name in stage.extras})


def stage_failure(stage: PipelineStage, error: Exception) -> InferenceError:
    """Return the failure of a version whose stage raised, with the location of the error."""
    # The message of the error is left out: it may hold a user's data, and the failure is logged and sent to the client.
    if isinstance(error, TimeoutError):
        return InferenceError(FailureKind.TIMEOUT, f"stage {stage.name} took too long", executed=True)
    return InferenceError(
        FailureKind.ERROR, f"stage {stage.name} raised {type(error).__name__}{_error_location(stage, error)}", executed=True
    )


def _error_location(stage: PipelineStage, error: Exception) -> str:
    """Return the innermost line of the version's code in the traceback, as " in stages.py, line 7"."""
    code = getattr(inspect.unwrap(stage.function), "__code__", None)
    folder = Path(code.co_filename).parent if code is not None else Path()
    frames = [frame for frame in extract_tb(error.__traceback__) if folder in Path(frame.filename).parents]
    return f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if code is not None and frames else ""
