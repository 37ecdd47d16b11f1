"""Run `genomed risk` or `convert` on every broken VCF there is, and say what became of each.

    python tests/validation/broken_inputs.py [FOLDER] [--list] [--convert]

For `risk` each file is given a tiny model whose positions lie in it, where any can be made out. A
file is read (exit 0, or 4: too little of the model is there), refused (another exit code and a
sentence), or something is our fault: a traceback, a hang, a crash, or outputs that look complete
though the file was refused. Files run in one worker process, which is started again when it dies.
"""

import argparse
import json
import os
import re
import select
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

TIMEOUT_S = 60
READ_CODES = (0, 4)  # 4: the file was read, but no score could be given
SUFFIXES = (".vcf", ".vcf.gz", ".vcf.bgz", ".vcf.truncated.gz", ".bcf", ".vcf.bz2", ".vcf.z")
ARCHIVES = (".vcf.tar.zip", ".vcf.tar.xz", ".vcf.tar.Z")
HEADER = "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n"
_SITE = re.compile(rb"^([A-Za-z0-9_.]+)\t([1-9][0-9]*)\t[^\t]*\t([ACGT])\t([ACGT])[,\t]", re.M)


@dataclass
class Outcome:
    """What became of one file; kind is read, refused, half-written, traceback, hang or crash."""

    path: Path
    kind: str
    code: int | None
    message: str
    seconds: float
    records: dict = field(default_factory=dict)  # ReadCounts, from run.json

    @property
    def reason(self) -> str:
        """The sentence without what differs from file to file."""
        text = self.message.replace(str(self.path), "FILE").removeprefix("error: ")
        text = re.sub(r"^FILE(, (line|record) \d+)?: ", "", text)
        text = re.sub(r"'[^']*'|\"[^\"]*\"", "'…'", text)
        return " ".join(re.sub(r"\d+", "N", text).split()[:9])


def broken_files(root: Path) -> list[Path]:
    """Every VCF and BCF under `root`, also those packed in ways that nobody reads."""
    files = (path for path in root.rglob("*") if path.is_file())
    return sorted(path for path in files if path.name.endswith((*SUFFIXES, *ARCHIVES)))


def must_be_read(path: Path) -> bool:
    """Whether the authors of the file say that it is good: folders called `passed`."""
    return path.parent.name == "passed" and path.name.endswith((".vcf", ".vcf.gz"))


def sites(path: Path, limit: int = 5) -> list[tuple[str, int, str, str]]:
    """Contig, position, REF and ALT of the first plain SNVs that can be made out."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = _inflate(data)
    found = {}
    for contig, position, ref, alt in _SITE.findall(data):
        if len(position) < 10 and ref != alt:
            found.setdefault((contig, position), (ref, alt))
    return [
        (contig.decode(), int(position), ref.decode(), alt.decode())
        for (contig, position), (ref, alt) in list(found.items())[:limit]
    ]


def _inflate(data: bytes) -> bytes:
    """As much text as comes out of gzip members before the first damage."""
    text = []
    while data:
        inflate = zlib.decompressobj(31)
        try:
            text.append(inflate.decompress(data))
        except zlib.error:
            break
        data = inflate.unused_data
    return b"".join(text)


def write_model(path: Path, places: Iterable[tuple[str, int, str, str]]) -> None:
    """A scoring file keyed by position: the ALT of each place weighs 0.1; one row at least."""
    rows = list(places) or [("1", 100, "C", "T")]
    lines = (f"{contig}\t{position}\t{alt}\t{ref}\t0.1\n" for contig, position, ref, alt in rows)
    path.write_text(HEADER + "".join(lines))


def risk_arguments(cohort: Path | str, model: Path, out: Path) -> list[str]:
    """Arguments of one run, after the name of the program."""
    return [
        "risk",
        str(cohort),
        "--model",
        str(model),
        "--out",
        str(out),
        "--threads",
        "1",
        "--ambiguous",
        "keep",
    ]


def convert_arguments(cohort: Path | str, out: Path) -> list[str]:
    """Arguments of a conversion that looks at everything; the store is `out`/store."""
    prefix = out / "store"
    return [
        "convert",
        str(cohort),
        "--out",
        str(prefix),
        "--threads",
        "1",
        "--phase",
        "--info",
        "all",
    ]


class Reply(NamedTuple):
    """What a worker says of one run; `failure` is a traceback, "hang" or "crash", or empty."""

    code: int | None
    stderr: str
    failure: str


class Worker:
    """A process that calls the command line's `main` again and again: no start-up per file."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, arguments: list[str], timeout: float = TIMEOUT_S) -> Reply:
        """Run once; a worker that hangs or dies is replaced before the next run."""
        if self._process is None:
            command = [sys.executable, str(Path(__file__).resolve()), "--worker"]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(arguments).encode() + b"\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], timeout)
        line = process.stdout.readline() if ready else b""
        if line:
            return Reply(*json.loads(line))
        self.close()
        return Reply(process.returncode, "", "crash" if ready else "hang")

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def serve() -> None:
    """The worker's side: one JSON list of arguments a line in, one JSON reply a line out."""
    from genomed.cli import main

    replies = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+", errors="replace") as said:
            sys.stdout.flush()
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            code, failure = _call(main, json.loads(line))
            sys.stdout.flush()
            sys.stderr.flush()
            said.seek(0)
            replies.write(json.dumps(Reply(code, said.read(), failure)) + "\n")
            replies.flush()


def _call(main, arguments: list[str]) -> tuple[int | None, str]:
    sys.argv = ["genomed", *arguments]
    try:
        main()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None), ""
    except BaseException:
        return None, traceback.format_exc()
    return 0, ""


def try_file(worker: Worker, path: Path, folder: Path, command: str = "risk") -> Outcome:
    """Run genomed on one file and classify the end; `folder` is empty and ours."""
    model, out = folder / "model.txt", folder / "out"
    arguments = convert_arguments(path, out)
    if command == "risk":
        write_model(model, sites(path))
        arguments = risk_arguments(path, model, out)
    began = time.monotonic()
    reply = worker.run(arguments)
    seconds = time.monotonic() - began
    written = sorted(p.name for p in out.iterdir()) if out.is_dir() else []
    kind, message = "refused", last_sentence(reply.stderr)
    if reply.failure or "Traceback (most recent call last)" in reply.stderr:
        kind = reply.failure if reply.failure in ("hang", "crash") else "traceback"
        message = where_it_failed(reply.failure or reply.stderr)
    elif reply.code in READ_CODES:
        kind = "read"
    elif written:
        kind, message = "half-written", f"{message} [{', '.join(written)}]"
    return Outcome(path, kind, reply.code, message, seconds, _records(out))


def last_sentence(stderr: str) -> str:
    """The error as shown, without colours; a long line may have been wrapped."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", stderr)
    _, found, error = text.rpartition("error: ")
    return " ".join(error.split()) if found else " ".join(text.split())[-300:]


def where_it_failed(text: str) -> str:
    """The exception and the innermost line of ours that a traceback names; else the text."""
    errors = re.findall(r"^[\w.]+(?:Error|Exception|Warning)\b.*", text, re.M)
    places = re.findall(r'File ".*?(genomed/\w+/\w+\.py", line \d+)', text)
    return f"{errors[-1]} ({places[-1]})" if errors and places else text


def _records(out: Path) -> dict:
    """What run.json says of the records of the cohort; empty where there is no run.json."""
    for path in (out / "run.json", out / "store.run.json"):
        if path.is_file():
            records = json.loads(path.read_text())["records"]
            return records[0] if isinstance(records, list) else records
    return {}


def try_all(paths: Iterable[Path], command: str = "risk") -> list[Outcome]:
    """try_file for each, in one worker."""
    worker = Worker()
    outcomes = []
    try:
        for path in paths:
            with tempfile.TemporaryDirectory() as folder:
                outcomes.append(try_file(worker, path, Path(folder), command))
    finally:
        worker.close()
    return outcomes


def table(outcomes: list[Outcome], root: Path) -> str:
    """Totals by kind, by source, by reason of refusal and by leniency, as text."""
    kinds = ("read", "refused", "traceback", "hang", "crash", "half-written")
    lines = [f"{'source':32}{'files':>7}" + "".join(f"{kind:>14}" for kind in kinds)]
    sources: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        parts = outcome.path.relative_to(root).parts[:-1]
        sources.setdefault("/".join(parts[:3]), Counter())[outcome.kind] += 1
    total = sum(sources.values(), Counter())
    for source, counts in [*sorted(sources.items()), ("all", total)]:
        cells = "".join(f"{counts[kind]:>14}" for kind in kinds)
        lines.append(f"{source:32}{counts.total():>7}{cells}")
    refusals = Counter((o.code, o.reason) for o in outcomes if o.kind == "refused")
    lines += ["", "refused, by exit code and first words:"]
    lines += [f"{n:5}  {code}  {reason}" for (code, reason), n in refusals.most_common()]
    faults = Counter((o.kind, o.message) for o in outcomes if o.kind not in ("read", "refused"))
    lines += ["", "our fault:"]
    lines += [f"{n:5}  {kind}: {message}" for (kind, message), n in faults.most_common()]
    notes = Counter(
        name for o in outcomes if o.kind == "read" for name in o.records.get("notes", ())
    )
    lines += ["", "read, by leniency:", *(f"{n:5}  {name}" for name, n in notes.most_common())]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="genomed on every broken VCF in a folder")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("../shared/data/broken"))
    parser.add_argument("--list", action="store_true", help="one line per file as well")
    parser.add_argument("--convert", action="store_true", help="try `convert`, not `risk`")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        serve()
        return
    command = "convert" if options.convert else "risk"
    outcomes = try_all(broken_files(options.folder), command)
    for outcome in outcomes if options.list else []:
        name = outcome.path.relative_to(options.folder)
        print(f"{outcome.kind:12} {outcome.code!s:5} {outcome.seconds:6.2f} s  {name}")
        print(" " * 13 + (outcome.message if outcome.kind != "read" else str(outcome.records)))
    print(table(outcomes, options.folder))


if __name__ == "__main__":
    main()
