"""Callers and filters side by side: ours, bcftools call and freebayes, by their command lines."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "CALLERS",
    "HARD_FILTERS",
    "Input",
    "Timed",
    "call",
    "hard_filtered",
    "rescore",
    "version",
]

OURS = f"{sys.executable} -m genomed reads"
CALLERS = {
    "genomed": OURS + " call {reads} --reference {reference} --threads {threads} --out {out}"
    "{region}",
    "likelihood": OURS + " call {reads} --reference {reference} --threads {threads} --out {out}"
    " --model none{region}",
    "bcftools": "bcftools mpileup {region} -f {reference} -a AD,DP --threads {threads} {reads}"
    " | bcftools call -mv -a GQ --threads {threads} -Oz -o {out}/calls.vcf.gz",
    "freebayes": "freebayes {region} -f {reference} --genotype-qualities {reads} |"
    " bgzip -c > {out}/calls.vcf.gz",
}
_REGION = {"genomed": " --region {}", "likelihood": " --region {}", "bcftools": "-r {}",
           "freebayes": "-r {}"}  # fmt: skip

# What the tools' own documents say to keep: "Filtering" of bcftools' how-to, and the README of
# freebayes ("QUAL > 1 & QUAL / AO > 10 & SAF > 0 & SAR > 0 & RPR > 1 & RPL > 1").
HARD_FILTERS = {
    "bcftools": "QUAL>=20 && INFO/DP<=100",
    "freebayes": "QUAL>1 && QUAL/INFO/AO[0]>10 && INFO/SAF[0]>0 && INFO/SAR[0]>0 && INFO/RPR[0]>1"
    " && INFO/RPL[0]>1",
}


class Input(NamedTuple):
    """Aligned reads and their reference; region as samtools writes it, or empty for all."""

    reads: Path
    reference: Path
    region: str = ""


class Timed(NamedTuple):
    """Calls, and the seconds that they took: by the clock, and of all processors."""

    calls: Path
    seconds: float
    cpu_seconds: float


def call(caller: str, data: Input, out: Path, threads: int) -> Timed:
    """Run a caller; its calls are in the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    region = data.region
    if region and caller == "freebayes":  # end not included, and begins at 0
        contig, _, span = region.rpartition(":")
        first, _, last = span.partition("-")
        region = f"{contig}:{int(first) - 1}-{last}"
    command = CALLERS[caller].format(
        reads=data.reads, reference=data.reference, threads=threads, out=out,
        region=_REGION[caller].format(region) if region else "",
    )  # fmt: skip
    seconds = _run(command, out / "log.txt")
    return Timed(_the_calls(out), *seconds)


def rescore(calls: Path, data: Input, out: Path, threads: int, model: str) -> Timed:
    """Let our caller score the calls of another tool."""
    out.mkdir(parents=True, exist_ok=True)
    command = (
        f"{OURS} score {calls} {data.reads} --reference {data.reference} --threads {threads}"
        f" --model {model} --out {out}"
    )
    seconds = _run(command, out / "log.txt")
    return Timed(_the_calls(out), *seconds)


def hard_filtered(caller: str, calls: Path, out: Path) -> Path:
    """Calls that pass the tool's usual filter."""
    _run(f"bcftools view -i '{HARD_FILTERS[caller]}' -Oz -o {out} {calls}", out.with_suffix(".log"))
    return out


def version(tool: str) -> str:
    """First line of what a tool says of itself."""
    done = subprocess.run([tool, "--version"], capture_output=True, check=False)
    return (done.stdout or done.stderr).decode(errors="replace").splitlines()[0]


def _the_calls(out: Path) -> Path:
    found = sorted(p for p in out.iterdir() if p.name.endswith((".vcf.gz", ".vcf", ".bcf")))
    if not found:
        raise SystemExit(f"{out}: no calls were written; see log.txt")
    return found[0]


def _run(command: str, log: Path) -> tuple[float, float]:
    started, used = time.perf_counter(), _cpu_seconds()
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True,
        errors="backslashreplace", check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    log.write_text(f"{command}\n{done.stdout}\n{done.stderr}")
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stderr[-2000:]}")
    return seconds, _cpu_seconds() - used


def _cpu_seconds() -> float:
    """Of all children so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
