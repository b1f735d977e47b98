"""The coercion of a command's words to texts and choices, as typer does it and without pydantic."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from typer.core import TyperArgument, TyperOption

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typer._click import Command, Context, Parameter


class PlainCoercion:
    """Coerces what is absent, a text, a list of texts or a choice; typer coerces every other value.

    typer makes an adapter of pydantic for each parameter: 70 ms, most of it for the import of pydantic.
    """

    def coerce(self, value: Any, param: Any, ctx: Context) -> Any:
        """Return a value as the type of its parameter. BadParameter where it is none."""
        kind = param.type_descriptor.annotation
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        if value is param.default:
            return value
        if kind is str and _is_text(value):
            return value
        if kind == list[str] and isinstance(value, (list, tuple)) and all(map(_is_text, value)):
            return list(value)
        if isinstance(kind, type) and issubclass(kind, Enum) and value in [item.value for item in kind]:
            return kind(value)
        from typer._coercion import build_runtime_param

        return build_runtime_param(param.type_descriptor).coerce(value, param, ctx)


def _is_text(value: object) -> bool:
    """Return whether a value is a text that pydantic takes: one with bytes that are no UTF-8 is refused."""
    try:
        return isinstance(value, str) and bool(value.encode() or True)
    except UnicodeEncodeError:
        return False


def coerce_plainly(command: Command, parent: Context) -> None:
    """Have the parameters of a command, and of the commands in it, coerced by `PlainCoercion`."""
    context = command.context_class(command, info_name=command.name, parent=parent)
    coerce_parameters(command.get_params(context))
    for inner in getattr(command, "commands", {}).values():
        coerce_plainly(inner, context)


def coerce_parameters(params: Iterable[Parameter]) -> None:
    """Have parameters coerced by `PlainCoercion`."""
    for param in params:
        # Where typer keeps what it has built. A typer that keeps it elsewhere builds its own, which is slow and right.
        if isinstance(param, (TyperArgument, TyperOption)):
            param._runtime_param = PlainCoercion()  # type: ignore[assignment]
