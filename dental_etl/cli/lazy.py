"""Commands that are imported when they are called: the help of all of them costs none of them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command, or a group of them, and where it is defined."""

    #: Imported when the command is called; its ``add_to`` adds the command to an application.
    module: str
    #: What it does, in one line.
    help: str


class LazyGroup(TyperGroup):
    """A command line whose commands are known by name and one line each, until one of them is called."""

    #: By name, in the order of the help.
    lazy: Mapping[str, Command] = MappingProxyType({})

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.lazy:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = load(cmd_name, self.lazy[cmd_name])
        return self.commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in self.lazy.items()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.lazy:
            # A name like the wrong one is looked for among the commands that are there.
            self.commands = dict.fromkeys(self.lazy)  # type: ignore[assignment]  # only the names are read
        return super().resolve_command(ctx, args)


def lazy_group(commands: Mapping[str, Command]) -> type[LazyGroup]:
    """Return the class of a command line with these commands, for ``typer.Typer(cls=...)``."""
    return type("Commands", (LazyGroup,), {"lazy": MappingProxyType(dict(commands))})


def load(name: str, command: Command) -> Any:
    """Import a command."""
    application = typer.Typer()
    importlib.import_module(command.module).add_to(application)
    return get_group(application).commands[name]
