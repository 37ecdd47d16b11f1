"""Write the reference pages that say what the code says: options, columns, codes, modules.

    python docs/tools/reference.py            write them
    python docs/tools/reference.py --check    fail where a committed page is out of date

Commands come from the command line itself, columns from genomed.tables, reason codes from
genomed.ledger, the map of the code from the first line of each module's docstring. The map is not
committed, for it changes with every module: `make docs` makes it.
"""

import argparse
import ast
import html
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from genomed import ledger
from genomed.cli import app
from genomed.cli.options import available_threads
from genomed.tables import TABLES

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = REPOSITORY / "docs" / "reference"
NOT_COMMITTED = "code-map.md"
EVERYWHERE = ("--json", "--verbose", "--quiet", "--log-file", "--help")
PLACEHOLDERS = {"int": "N", "integer": "N", "float": "X", "text": "TEXT"}

CODES = {
    "Model variants": ("REASONS", "`genomed risk`: the fate of one variant of a model."),
    "Conversion": ("CONVERTED", "`genomed convert`: rows that are not stored as they stood."),
    "Variants in quality control": ("QC_VARIANTS", "`genomed qc`: why a variant does not pass."),
    "Samples in quality control": ("QC_SAMPLES", "`genomed qc`: why a sample does not pass."),
    "Variants of structure": ("STRUCTURE", "`genomed structure`: the first that applies."),
    "What is forgiven": (
        "LENIENCIES",
        "A file that breaks its format is refused with the line, the reason and a remedy. These "
        "deviations are read all the same, always in the way stated here; `run.json` and the page "
        "say how often each was met.",
    ),
}


def code(text: str) -> str:
    """Text as code, which may hold a bar even inside a table."""
    return f"<code>{html.escape(text, quote=False).replace('|', '&#124;')}</code>"


def prose(text: str) -> str:
    """Help text as Markdown inside a table: options and what stands in backticks become code."""
    spans = re.split(r"``?([^`]+)``?|(?<![\w-])(--[a-z][a-z0-9-]*)", " ".join(text.split()))
    plain = [html.escape(part, quote=False) for part in spans[::3]]
    escaped = [re.sub(r"([*_\[\]])", r"\\\1", part).replace("|", "&#124;") for part in plain]
    marked = [code(one or other) for one, other in zip(spans[1::3], spans[2::3], strict=True)]
    return "".join(a + b for a, b in zip(escaped, [*marked, ""], strict=True))


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]] | list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def placeholder(option: Any) -> str:
    """What stands for the value of an option, empty for a switch."""
    if getattr(option, "is_flag", False) or getattr(option, "count", False):
        return ""
    if option.metavar:
        return str(option.metavar)
    if choices := getattr(option.type, "choices", None):
        return "|".join(str(choice) for choice in choices)
    return PLACEHOLDERS.get(option.type.name.split()[0], "VALUE")


def spelling(option: Any) -> str:
    """How an option is written, with what it takes."""
    names = sorted(option.opts, key=len, reverse=True) + option.secondary_opts
    return " ".join(code(text) for text in (", ".join(names), placeholder(option)) if text)


def limits(kind: Any) -> str:
    """What numbers an option takes, in words."""
    low, high = getattr(kind, "min", None), getattr(kind, "max", None)
    above = f"over {low}" if getattr(kind, "min_open", False) else f"at least {low}"
    below = f"under {high}" if getattr(kind, "max_open", False) else f"at most {high}"
    if low is None or high is None:
        return below if high is not None else above if low is not None else ""
    return f"{low} to {high}"


def default(option: Any) -> str:
    """The default as a user would write it, or what happens without the option."""
    between = f"; {words}" if (words := limits(option.type)) else ""
    if option.required:
        return "required"
    if option.opts[0] == "--threads" and option.default == available_threads():
        return "all there are" + between
    if isinstance(option.show_default, str):
        return prose(option.show_default) + between
    if isinstance(option.default, bool) and option.secondary_opts:
        return code((option.opts if option.default else option.secondary_opts)[0])
    if option.default is None or option.default in (False, ()) or not option.show_default:
        return between.removeprefix("; ")
    if getattr(option, "count", False):
        return ""
    value = option.default
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return code(text) + between if text else between.removeprefix("; ")


def option_row(option: Any) -> tuple[str, str, str]:
    """One line of a table of options."""
    notes = [prose(option.help or "")]
    if option.multiple and "repeat" not in notes[0]:
        notes.append("Repeatable.")
    if option.envvar:
        notes.append(f"Environment: `{option.envvar}`.")
    return spelling(option), " ".join(notes), default(option)


def usage(path: str, command: Any) -> str:
    """The line that shows how a command is called."""
    arguments = [
        (name if argument.required else f"[{name}]") + ("..." if argument.nargs == -1 else "")
        for argument in command.params
        if argument.param_type_name == "argument"
        for name in [str(argument.metavar or argument.name.upper()).removesuffix("...")]
    ]
    return " ".join([path, *arguments, "[OPTIONS]"])


def command_text(path: str, command: Any, level: int) -> Iterator[str]:
    """Sections of one command and of those below it.

    A hidden command is the one that needs no name: `genomed structure STORE`.
    """
    below = getattr(command, "commands", {})
    command = next((child for child in below.values() if child.hidden), command)
    yield f"{'#' * level} {path}"
    paragraphs = (command.help or "").split("\n\n")
    yield "\n\n".join(prose(paragraph).replace("\\b", "") for paragraph in paragraphs)
    shown = [p for p in command.params if not getattr(p, "hidden", False)]
    arguments = [p for p in shown if p.param_type_name == "argument"]
    options = [p for p in shown if p not in arguments and p.opts[0] not in EVERYWHERE]
    if arguments or options:
        yield f"```text\n{usage(path, command)}\n```"
    if arguments:
        rows = [(code(str(p.metavar or p.name.upper())), prose(p.help or "")) for p in arguments]
        yield table(("argument", "what"), rows)
    if options:
        yield table(("option", "what", "default"), [option_row(option) for option in options])
    for name, child in below.items():
        if not child.hidden:
            yield from command_text(f"{path} {name}", child, level + 1)


def command_pages() -> dict[str, str]:
    """A page for each word that may follow `genomed`, and one that lists them."""
    top: Any = typer.main.get_command(app)
    names = top.list_commands(typer.Context(top))
    rows = []
    pages = {}
    for name in names:
        command = top.commands[name]
        text = (command.help or "").split("\n\n")[0]
        rows.append((f"[`genomed {name}`]({name}.md)", prose(text)))
        pages[f"commands/{name}.md"] = "\n\n".join(command_text(f"genomed {name}", command, 1))
    shared = {option.opts[0]: option for option in top.commands["risk"].params}
    pages["commands/index.md"] = "\n\n".join(
        [
            "# Commands",
            "What `genomed COMMAND --help` says, in the order in which the commands follow each "
            "other. `genomed --install-completion` teaches them to the shell.",
            table(("command", "what"), rows),
            "Almost every command takes these too:",
            table(
                ("option", "what"),
                [option_row(shared[name])[:2] for name in EVERYWHERE if name in shared],
            ),
            "The whole chain takes options as YAML, in "
            "[the workflow's configuration](../workflow-configuration.md).",
        ]
    )
    return pages


def code_page() -> str:
    """Reason codes and leniencies."""
    parts = [
        "# Reason codes",
        "Every command says what became of each variant, sample and record, by these words: in "
        "`ledger.tsv.gz`, in the columns `reason` and `outcome`, in `run.json`, and in what "
        "`--explain` prints.",
    ]
    for heading, (name, what) in CODES.items():
        words: Mapping[str, str] = getattr(ledger, name)
        parts += [f"## {heading}", what]
        if name == "REASONS":
            used = [(f"`{word}`", prose(words[word])) for word in ledger.USED]
            rest = [(f"`{w}`", prose(words[w])) for w in words if w not in ledger.USED]
            parts += ["These count towards the score:", table(("code", "meaning"), used)]
            parts += ["These do not:", table(("code", "meaning"), rest)]
        else:
            rows = [(f"`{word}`", prose(meaning)) for word, meaning in words.items()]
            parts.append(table(("code", "meaning"), rows))
    return "\n\n".join(parts)


def column_page() -> str:
    """Every column of every table."""
    parts = [
        "# Columns",
        "Every column of every table a command writes, from the dictionary that the code itself "
        "uses (`genomed/tables/`). Unknown is an empty field in TSV, null in Parquet; never 0.",
    ]
    for name, columns in TABLES.items():
        rows = [(f"`{column}`", prose(meaning)) for column, meaning in columns.items()]
        parts += [f"## `{name}`", table(("column", "meaning"), rows)]
    return "\n\n".join(parts)


def first_line(path: Path) -> str:
    """The first line of a module's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.split("\n\n")[0].split())


def code_map_page() -> str:
    """Packages from the command line down to the kernels, a line for each module."""
    order = (
        *("cli", "steps", "report", "scores", "features", "models", "io", "stats", "kernels"),
        *("tables", "plugins", "workflow"),
    )
    package = REPOSITORY / "genomed"
    parts = [
        "# Map of the code",
        "One word per step, the same word everywhere: `genomed qc` is `genomed/cli/qc.py`, which "
        "calls `genomed/steps/qc.py`. Imports point down this page. Each line is the first of the "
        "module's docstring; the docstrings of functions give shapes, units, what is missing and "
        "the paper.",
    ]
    for name in ["", *order]:
        found = sorted(path for path in (package / name).glob("*.py") if path.stem != "__main__")
        rows = [(f"`{path.stem}`", prose(text)) for path in found if (text := first_line(path))]
        if found:
            parts += [f"## `{'genomed/' + name if name else 'genomed'}`", table(("", "what"), rows)]
    return "\n\n".join(parts)


def pages() -> dict[str, str]:
    """Path below docs/reference -> text, of all pages that this script makes."""
    note = "<!-- Made by docs/tools/reference.py from the code; `make docs` makes it again. -->"
    made = command_pages() | {
        "reason-codes.md": code_page(),
        "columns.md": column_page(),
        NOT_COMMITTED: code_map_page(),
    }
    return {name: f"{note}\n\n{text.strip()}\n" for name, text in made.items()}


def out_of_date(made: Mapping[str, str]) -> list[str]:
    """Committed pages that differ from what the code says, or that no command has."""
    wrong = [
        name
        for name, text in made.items()
        if name != NOT_COMMITTED
        and (not (PAGES / name).is_file() or (PAGES / name).read_text(encoding="utf-8") != text)
    ]
    there = {f"commands/{path.name}" for path in (PAGES / "commands").glob("*.md")}
    return sorted({*wrong, *(there - made.keys())})


def main() -> int:
    """Write the pages, or compare them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when out of date")
    made = pages()
    if parser.parse_args().check:
        wrong = out_of_date(made)
        for name in wrong:
            sys.stderr.write(f"docs/reference/{name} is out of date\n")
        if wrong:
            sys.stderr.write("make them again: python docs/tools/reference.py\n")
        return bool(wrong)
    for stale in set(out_of_date(made)) - made.keys():
        (PAGES / stale).unlink()
    for name, text in made.items():
        path = PAGES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
