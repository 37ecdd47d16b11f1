"""Run every command of the tutorials, and compare what they print with what the pages show.

    python docs/tools/tutorials.py                 run all, in order, in one temporary directory
    python docs/tools/tutorials.py --write         put what commands print into the pages
    python docs/tools/tutorials.py --keep DIR      run in DIR, and leave the results there
    python docs/tools/tutorials.py reads.md        this page only

A block marked ``bash`` is run; one marked ``sh`` is for the reader only (a cluster, a GPU, an
installation). A block marked ``output`` straight after it is what it prints, standard output and
errors together, but for lines that say how far a command is. A line ``...`` stands for any lines.
Times and sizes may differ, and numbers by two parts in a hundred, for they rest on versions of
libraries; all other text may not.
"""

import argparse
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TUTORIALS = REPOSITORY / "docs" / "tutorials"
PAGES = (  # in the order in which they build on each other
    "first-risk-score.md",
    "cleaning-a-cohort.md",
    "your-own-model.md",
    "reads.md",
    "the-whole-chain.md",
    "reading-the-report.md",
)
TOLERANCE = 0.02
BLOCK = re.compile(
    r"^```bash\n(?P<commands>.*?)^```\n(?:\n```output\n(?P<output>.*?)^```\n)?", re.M | re.S
)
ANY = "..."
VARIES = re.compile(r"\b\d+(\.\d+)? ?(?:s|ms|min|h|kB|MB|GB|kiB|MiB|GiB)\b|\b\d+:\d\d(:\d\d)?\b")
PASSING = re.compile(r" +\d+\.\d s  |compiling kernels for this processor")  # how far a command is
NUMBER = re.compile(r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


@dataclass(frozen=True)
class Block:
    """Commands of a page, and what the page says they print (None: it does not say)."""

    page: Path
    line: int
    commands: str
    output: str | None
    span: tuple[int, int]  # of the output in the page's text

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}, line {self.line}"


def blocks(page: Path) -> list[Block]:
    """Every block of a page that is to be run."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            text[: found.start()].count("\n") + 1,
            found["commands"],
            found["output"],
            found.span("output"),
        )
        for found in BLOCK.finditer(text)
    ]


def skeleton(line: str) -> tuple[str, list[float]]:
    """A line without its numbers, and these: what varies from run to run is left out."""
    line = VARIES.sub("<varies>", line.rstrip())
    numbers = [float(found.replace(",", "")) for found in NUMBER.findall(line)]
    return re.sub(r"─+", "─", " ".join(NUMBER.sub("#", line).split())), numbers


def same_line(shown: str, printed: str) -> bool:
    """Whether two lines say the same but for rounding, times and sizes."""
    (one, these), (other, those) = skeleton(shown), skeleton(printed)
    close = (
        math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        for a, b in zip(these, those, strict=False)
    )
    return one == other and len(these) == len(those) and all(close)


def same_text(shown: list[str], printed: list[str]) -> bool:
    """Whether lines agree, where a line ``...`` stands for any number of lines."""
    if not shown:
        return not printed
    if shown[0].strip() == ANY:
        return any(same_text(shown[1:], printed[at:]) for at in range(len(printed) + 1))
    return bool(printed) and same_line(shown[0], printed[0]) and same_text(shown[1:], printed[1:])


def said_lines(text: str) -> list[str]:
    """Lines that say something."""
    return [line for line in text.splitlines() if line.strip()]


def run(block: Block, directory: Path) -> tuple[int, str]:
    """Run a block with bash: exit code, and everything printed, without trailing spaces."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "88",
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",  # so that errors stand where they were printed
        "GENOMED_LIBRARY": str(directory / "library"),
    }
    done = subprocess.run(
        ["bash", "-eu", "-c", block.commands],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    said = done.stdout.replace(f"{directory}/", "").splitlines()
    lines = [line.rstrip() for line in said if not PASSING.match(line)]
    return done.returncode, "\n".join(lines).strip("\n") + "\n"


def write_outputs(page: Path, printed: list[tuple[Block, str]]) -> None:
    """Replace what the page shows; blocks that hold ``...`` are left as they are."""
    text = page.read_text(encoding="utf-8")
    for block, output in reversed(printed):
        if block.output is not None and ANY not in block.output.split():
            start, end = block.span
            text = text[:start] + output + text[end:]
    page.write_text(text, encoding="utf-8")


def run_page(page: Path, directory: Path, write: bool) -> list[str]:
    """Run one page: what is wrong with it, a paragraph for each fault."""
    faults = []
    printed: list[tuple[Block, str]] = []
    for block in blocks(page):
        began = time.monotonic()
        code, output = run(block, directory)
        sys.stderr.write(f"{time.monotonic() - began:6.1f} s  {block}\n")
        expected = re.search(r"# exit code (\d+)", block.commands)
        if code != (int(expected[1]) if expected else 0):
            return [*faults, f"{block}: exit code {code} of\n{block.commands}{output}"]
        printed.append((block, output))
        if block.output is None:
            continue
        if not same_text(said_lines(block.output), said_lines(output)):
            faults.append(f"{block}: shows\n{block.output}but this is printed\n{output}")
    if write:
        write_outputs(page, printed)
    return faults


def run_all(directory: Path, write: bool, names: Sequence[str] = PAGES) -> list[str]:
    """Run pages in `directory`, where `examples` becomes a link to ours."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("examples", "workflows", "Snakefile", "environment.yml"):
        if not (directory / name).exists():
            (directory / name).symlink_to(REPOSITORY / name)
    pages = [TUTORIALS / name for name in names if (TUTORIALS / name).is_file()]
    return [fault for page in pages for fault in run_page(page, directory, write)]


def main() -> int:
    """Run the tutorials; the exit code is 1 where a page is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--write", action="store_true", help="put what is printed into the pages")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where to run and leave results")
    parser.add_argument("page", nargs="*", help="pages to run; all of them, in order")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="genomed-tutorials-") as temporary:
        directory = given.keep.resolve() if given.keep else Path(temporary)
        faults = run_all(directory, given.write, given.page or PAGES)
    sys.stderr.write("\n".join(faults))
    return bool(faults) and not given.write


if __name__ == "__main__":
    raise SystemExit(main())
