"""What commands refuse of options that are numbers, and how groups of commands show them."""

from __future__ import annotations

import math
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

__all__ = ["Command", "Group"]


class Command(TyperCommand):
    """A command none of whose options is NaN: no limit holds it back, and a filter would be off."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, args)
        for option in self.params:
            value = ctx.params.get(option.name)
            for number in value if isinstance(value, list | tuple) else [value]:
                if isinstance(number, float) and math.isnan(number):
                    raise typer.BadParameter("nan is not a number.", ctx=ctx, param=option)
        return rest


class Group(TyperGroup):
    """Commands whose list says what each does in full, where Click would cut it off."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        named = [(name, self.commands[name]) for name in self.list_commands(ctx)]
        rows = [
            (name, " ".join((command.help or "").partition("\n\n")[0].split()))
            for name, command in named
            if not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
