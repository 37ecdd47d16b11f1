"""What every command with options that are numbers refuses."""

from __future__ import annotations

import math
from typing import Any

import typer
from typer.core import TyperCommand

__all__ = ["Command"]


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
