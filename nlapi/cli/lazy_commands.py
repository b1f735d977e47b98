"""Loads the module of a subcommand when it is called, and coerces its words as typer does, without pydantic."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer._param_types import coerce_cli_path
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from nlapi.cli.command_table import CommandEntry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typer._click import Command, Context, HelpFormatter, Parameter


class PlainCoercion:
    """Coerces what is absent, a text, a list of texts, a number in its range, a path or a choice; typer coerces others.

    typer makes an adapter of pydantic for each parameter: 70 ms, most of it for the import of pydantic.
    """

    def coerce(self, value: Any, param: Any, ctx: Context) -> Any:
        """Return a value as the type of its parameter. BadParameter where it has another type."""
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
        info = param.type_descriptor.parameter_info
        if kind is int and _is_number(value, info.min, info.max):
            return int(value)
        if kind is Path and _is_text(value):
            return coerce_cli_path(Path(value), info, path_type=Path, param=param, ctx=ctx)
        from typer._coercion import build_runtime_param

        return build_runtime_param(param.type_descriptor).coerce(value, param, ctx)


def _is_number(value: object, least: float | None, most: float | None) -> bool:
    """Return whether a value is a text of a few digits, and the number in its range."""
    if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10):
        return False
    return (least or 0) <= int(value) and (most is None or int(value) <= most)


def _is_text(value: object) -> bool:
    """Return whether a value is a text that pydantic takes: one with bytes that are not UTF-8 is refused."""
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
        # The attribute in which typer stores the built command. If typer moves it, each is built anew: slow and right.
        if isinstance(param, (TyperArgument, TyperOption)):
            param._runtime_param = PlainCoercion()  # type: ignore[assignment]  # it takes the place of an adapter


class LazyGroup(TyperGroup):
    """A group whose commands are loaded when they are called; its help shows what `entries` says of them."""

    entries: Mapping[str, CommandEntry]
    _is_help = False

    def get_params(self, ctx: Context) -> list[Parameter]:
        """Return the options; typer's own for completion still work, and `nlapi completion` is the one in the help."""
        params: list[Parameter] = super().get_params(ctx)
        for param in params:
            if isinstance(param, TyperOption) and param.name in ("install_completion", "show_completion"):
                param.hidden = True
        coerce_parameters(params)
        return params

    def list_commands(self, ctx: Context) -> list[str]:
        """Return the names of the commands, in the order of the help."""
        return list(self.entries)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Return a command; in the help of the group, its name and help text alone."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        if self._is_help:
            return TyperCommand(cmd_name, help=entry.help, rich_help_panel=entry.group)
        if cmd_name not in self.commands:
            self.commands[cmd_name] = _load(cmd_name, entry)
            coerce_plainly(self.commands[cmd_name], ctx)
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Return the name, the command and its words. UsageError, with what was perhaps meant, for an unknown one."""
        if args and args[0] not in self.entries and not args[0].startswith("-"):
            from nlapi.cli.shorthand import unknown_command

            if error := unknown_command(args[0]):
                raise error
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Print the help of the group, without loading a command."""
        self._is_help = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._is_help = False


@cache
def _load(name: str, entry: CommandEntry) -> Command:
    """Return a command, which a process that runs several command lines builds once."""
    module = import_module(f"nlapi.cli.{entry.module}")
    target = getattr(module, entry.attribute)
    if isinstance(target, typer.Typer):
        command: Command = typer.main.get_group(target)
    else:
        single = typer.Typer(add_completion=False)
        kind = getattr(module, entry.command_class) if entry.command_class else TyperCommand
        single.command(name, cls=kind, epilog=getattr(module, entry.epilog))(target)
        command = typer.main.get_command(single)
    command.name = name
    return command
