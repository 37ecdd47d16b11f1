"""Options of a command from a TOML file, and back: what stands on the command line wins.

The keys of the file are the names of options, with - or _ between words; its table [settings] holds
what has no option of its own, in tables as genomed.settings has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import typer

from genomed.errors import InputError

__all__ = ["config_text", "read_config", "with_settings"]

_SAID_ELSEWHERE = frozenset(  # how to run and to speak, not what to do
    {"config", "verbose", "quiet", "json", "log-file", "timings", "resume", "help"}
)
_KEY = "genomed.settings"
T = TypeVar("T")


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take options from a file where the command line is silent; an eager callback of --config."""
    if path is None:
        return None
    table = _read(path)
    settings = table.pop("settings", {})
    if not isinstance(settings, dict):
        raise InputError(f"{path}: settings must be a table; write [settings]")
    known = {_name(option): option for option in context.command.params}
    found: dict[str, Any] = {}
    for key, value in table.items():
        option = known.get(key.replace("_", "-"))
        if option is None or _name(option) in _SAID_ELSEWHERE:
            raise InputError(f"{path}: no option called {key!r}{_perhaps(key, known)}")
        several = bool(getattr(option, "multiple", False))
        if isinstance(value, dict) or (isinstance(value, list) and not several):
            raise InputError(f"{path}: {key} takes one value; write {key} = ...")
        assert option.name is not None
        found[option.name] = [value] if several and not isinstance(value, list) else value
    context.default_map = {**(context.default_map or {}), **found}
    context.meta[_KEY] = (path, settings)
    return path


def with_settings(context: typer.Context, settings: T, options: Mapping[str, str]) -> T:
    """Settings with what the file's [settings] says.

    options : field (split.n_folds) -> option that it belongs to, which is to be given instead
    """
    path, table = context.meta.get(_KEY, (None, {}))
    return _changed(settings, table, path, "", options) if table else settings


def config_text(context: typer.Context, settings: Any, options: Mapping[str, str]) -> str:
    """The file that stands for this run: its options, and every setting without an option."""
    lines = []
    for option in context.command.params:
        value = context.params.get(option.name or "")
        if _name(option) not in _SAID_ELSEWHERE and value not in (None, [], ()):
            lines.append(f"{_name(option)} = {_toml(value)}")
    tables = _tables(settings, "settings", "", options)
    return "\n".join([*lines, *tables]) + "\n"


def _read(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: is not TOML ({error}); write lines like trait = 't2d'") from None


def _name(option: Any) -> str:
    """As on the command line, without the dashes."""
    long = [text for text in option.opts if text.startswith("--")]
    return str(long[0][2:] if long else option.name)


def _perhaps(key: str, known: Iterable[str]) -> str:
    close = get_close_matches(key.replace("_", "-"), list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else "; see --help for the options"


def _changed(
    settings: T, table: Mapping[str, Any], path: Path, start: str, options: Mapping[str, str]
) -> T:
    known = {field.name: getattr(settings, field.name) for field in fields(settings)}  # type: ignore[arg-type]
    changes: dict[str, Any] = {}
    for key, value in table.items():
        name = f"{start}{key}"
        if name in options:
            raise InputError(f"{path}: settings.{name} is an option; write {options[name]} = ... "
                             "above [settings]")  # fmt: skip
        if key not in known:
            close = get_close_matches(key, list(known), 1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
            raise InputError(f"{path}: no setting called settings.{name}{hint}")
        old = known[key]
        if is_dataclass(old) and isinstance(value, dict):
            changes[key] = _changed(old, value, path, f"{name}.", options)
        else:
            changes[key] = _like(old, value, f"{path}: settings.{name}")
    return replace(settings, **changes)  # type: ignore[type-var]


def _like(old: Any, value: Any, where: str) -> Any:
    """A value as the kind of the one it replaces."""
    if isinstance(old, bool) or isinstance(value, bool):
        fits = isinstance(old, bool) and isinstance(value, bool)
    elif isinstance(old, float) or old is None:
        fits = isinstance(value, int | float)
        value = float(value) if fits else value
    elif isinstance(old, tuple):
        fits = isinstance(value, list)
        value = tuple(value) if fits else value
    else:
        fits = isinstance(value, type(old))
    if not fits or is_dataclass(old):
        raise InputError(f"{where}: {value!r} is not of the kind of its default, {old!r}")
    return value


def _tables(settings: Any, name: str, start: str, options: Mapping[str, str]) -> list[str]:
    plain, inner = [], []
    for field in fields(settings):
        value, key = getattr(settings, field.name), f"{start}{field.name}"
        if is_dataclass(value):
            inner += _tables(value, f"{name}.{field.name}", f"{key}.", options)
        elif key not in options and value is not None:
            plain.append(f"{field.name} = {_toml(value)}")
    return ([f"\n[{name}]", *plain] if plain else []) + inner


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    # The strings of JSON are strings of TOML, but for one character.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
