"""Is this machine fit to run genomed? One finding per question, each ok, a note, or unfit.

A note is something to know, such as an optional tool that is absent; unfit is something that would
make a command fail or, worse, give wrong numbers. Whatever may be missing or broken is imported by
the check that asks about it, so that this command answers where no other would start.
"""

from __future__ import annotations

import importlib.metadata
import locale
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genomed import __version__
from genomed.kernels import cache_directory
from genomed.steps.machine import (
    available_threads,
    cgroup_files,
    memory_limits,
    processor_quota,
    system_memory,
)

if TYPE_CHECKING:
    import numpy as np

__all__ = ["NOTE", "OK", "UNFIT", "DoctorSettings", "Finding", "examine"]

OK, NOTE, UNFIT = "ok", "note", "unfit"

_GIB = 1 << 30
_OLDEST_PYTHON = (3, 11)

_OPTIONAL_TOOLS = {
    "bcftools": "an independent look at VCF and BCF files",
    "plink2": "an independent judge of scores",
    "snakemake": "the workflow; `pip install genomed[workflow]` brings it",
}


@dataclass(frozen=True)
class DoctorSettings:
    """What counts as too little, and how exactly a device must calculate."""

    min_memory_gib: float = 1.0  # less is unfit
    low_memory_gib: float = 4.0  # less is worth a note
    min_scratch_gib: float = 0.1
    low_scratch_gib: float = 10.0
    scratch_test_bytes: int = 1 << 20
    matrix_size: int = 512  # rows and columns of the test product
    float32_tolerance: float = 1e-5  # largest error over the largest entry, against float64
    tool_timeout_s: float = 20.0


@dataclass(frozen=True)
class Finding:
    """The answer to one question: what was asked, what was found, and what to do about it."""

    name: str
    status: str  # ok, note or unfit
    value: str
    advice: str = ""


def examine(settings: DoctorSettings | None = None) -> list[Finding]:
    """Ask every question; a check that itself breaks down is a finding, not an error."""
    settings = settings or DoctorSettings()
    checks: list[Callable[[DoctorSettings], Iterator[Finding]]] = [
        _software,
        _htslib,
        _libdeflate,
        _processors,
        _memory,
        _scratch,
        _kernel_cache,
        _text_encoding,
        _models,
        _numerics,
        _tools,
        _slurm,
    ]
    findings: list[Finding] = []
    for check in checks:
        try:
            findings.extend(check(settings))
        except Exception as error:  # whatever it is, the user must see it beside the rest
            name = check.__name__.strip("_").replace("_", " ")
            advice = "please report this, with the output of `genomed doctor --json`"
            findings.append(Finding(name, UNFIT, f"{type(error).__name__}: {error}", advice))
    return findings


# ---------------------------------------------------------------- software


def _software(settings: DoctorSettings) -> Iterator[Finding]:
    version = platform.python_version()
    fit = sys.version_info[:2] >= _OLDEST_PYTHON
    advice = "" if fit else f"install Python {_OLDEST_PYTHON[0]}.{_OLDEST_PYTHON[1]} or newer"
    yield Finding("python", OK if fit else UNFIT, f"{version} on {platform.platform()}", advice)
    yield Finding("genomed", OK, __version__)
    for name, oldest in sorted(_requirements()):
        yield _package(name, oldest)


def _requirements() -> set[tuple[str, str]]:
    """(name, oldest release) of every core dependency, as the installed package declares them."""
    try:
        lines = importlib.metadata.requires("genomed") or []
    except importlib.metadata.PackageNotFoundError:  # run from a copy of the repository
        with (Path(__file__).parents[2] / "pyproject.toml").open("rb") as stream:
            lines = tomllib.load(stream)["project"]["dependencies"]
    core = (line.split(";")[0] for line in lines if "extra ==" not in line)
    found = (re.match(r"([A-Za-z0-9_.-]+)(?:.*?>=\s*([0-9.]+))?", line) for line in core)
    return {(match[1], match[2] or "0") for match in found if match}


def _package(name: str, oldest: str) -> Finding:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, UNFIT, "not installed", f"pip install '{name}>={oldest}'")
    if _release(version) < _release(oldest):
        return Finding(name, UNFIT, version, f"too old; pip install -U '{name}>={oldest}'")
    return Finding(name, OK, version)


def _release(version: str) -> tuple[int, ...]:
    numbers = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    return tuple(int(part) for part in numbers[0].split(".")) if numbers else ()


def _htslib(settings: DoctorSettings) -> Iterator[Finding]:
    import pysam  # noqa: PLC0415 - see above

    yield Finding("htslib", OK, f"{pysam.version.__htslib_version__}, in pysam")


def _libdeflate(settings: DoctorSettings) -> Iterator[Finding]:
    from genomed.io.libdeflate import find_libdeflate  # noqa: PLC0415

    path = find_libdeflate()
    if path is None:
        advice = "BGZF is inflated by zlib-ng, which takes half as long again; install libdeflate"
        yield Finding("libdeflate", NOTE, "not found", advice)
    else:
        yield Finding("libdeflate", OK, f"in {path}")


def _tools(settings: DoctorSettings) -> Iterator[Finding]:
    for name, use in _OPTIONAL_TOOLS.items():
        path = shutil.which(name)
        if path is None:
            yield Finding(name, NOTE, "not found", f"optional: {use}")
            continue
        try:
            done = subprocess.run(
                [path, "--version"],
                capture_output=True,
                text=True,
                timeout=settings.tool_timeout_s,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            yield Finding(name, NOTE, f"{path} does not answer: {error}", f"optional: {use}")
            continue
        words = (done.stdout or done.stderr).strip().splitlines() or ["says nothing"]
        yield Finding(name, OK if done.returncode == 0 else NOTE, f"{words[0]} ({path})")


def _slurm(settings: DoctorSettings) -> Iterator[Finding]:
    """Whether jobs can be sent to a cluster from here, and how one asks after them."""
    from genomed.steps.slurm import LEAST_JOB_AGE_S, find_cluster  # noqa: PLC0415 - see above

    cluster = find_cluster(settings.tool_timeout_s)
    if cluster is None:
        yield Finding("Slurm", OK, "none; the workflow runs on this machine")
        return
    if not cluster.answers:
        advice = "its controller does not answer: ask its administrator, or run on a login node"
        yield Finding("Slurm", NOTE, f"{cluster.version}, out of reach", advice)
        return
    accounts = "with accounts" if cluster.has_accounts else "without accounts: sacct fails"
    age = cluster.min_job_age_s
    remembers = f", ended jobs are known for {age} s" if age is not None else ""
    value = f"{cluster.version}, {' '.join(cluster.partitions)}, {accounts}{remembers}"
    advice = f"--slurm-status-command {cluster.status_command}"
    if cluster.forgets:
        missed = "a job that was cancelled" if cluster.has_accounts else "the end of a job"
        advice += (
            f"; Snakemake may miss {missed} and wait for ever, which `genomed run` notices: "
            f"ask for MinJobAge={LEAST_JOB_AGE_S} in slurm.conf"
        )
        yield Finding("Slurm", NOTE, value, advice)
    else:
        yield Finding("Slurm", OK, value, advice)


# ---------------------------------------------------------------- machine


def _processors(settings: DoctorSettings) -> Iterator[Finding]:
    present = os.cpu_count() or 1
    allowed = min(available_threads(), processor_quota(), present)
    if allowed < present:
        advice = f"give --threads {max(1, int(allowed))} or fewer"
        yield Finding("processors", NOTE, f"{allowed:g} of {present} may be used", advice)
    else:
        yield Finding("processors", OK, f"{present}")


def _memory(settings: DoctorSettings) -> Iterator[Finding]:
    total, available = system_memory()
    limits = memory_limits()
    used = [int(text) for text in cgroup_files("memory.current") if text.isdigit()]
    value = f"{available / _GIB:.1f} of {total / _GIB:.1f} GiB free"
    if limits and min(limits) < total:
        free = min(limits) - (used[0] if used else 0)
        available = min(available, max(free, 0))
        value = f"{available / _GIB:.1f} GiB free within a limit of {min(limits) / _GIB:.1f} GiB"
    if available < settings.min_memory_gib * _GIB:
        advice = f"at least {settings.min_memory_gib:g} GiB are needed; ask the scheduler for more"
        yield Finding("memory", UNFIT, value, advice)
    elif available < settings.low_memory_gib * _GIB:
        yield Finding("memory", NOTE, value, "keep --max-memory below this")
    else:
        yield Finding("memory", OK, value)


def _scratch(settings: DoctorSettings) -> Iterator[Finding]:
    """Whether temporary files can be written, read back and removed, and how many."""
    place = tempfile.gettempdir()
    advice = "point TMPDIR to a disk that has more"
    content = bytes(range(256)) * (settings.scratch_test_bytes // 256)
    try:
        with tempfile.TemporaryFile(prefix="genomed-") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
            stream.seek(0)
            if stream.read() != content:
                yield Finding("scratch", UNFIT, f"{place} gives back other bytes", advice)
                return
        free = shutil.disk_usage(place).free / _GIB
    except OSError as error:
        yield Finding("scratch", UNFIT, f"{place}: {error.strerror}", advice)
        return
    value = f"{free:.1f} GiB free in {place}"
    if free < settings.min_scratch_gib:
        yield Finding("scratch", UNFIT, value, advice)
    elif free < settings.low_scratch_gib:
        yield Finding("scratch", NOTE, value, advice)
    else:
        yield Finding("scratch", OK, value)


def _kernel_cache(settings: DoctorSettings) -> Iterator[Finding]:
    """Whether compiled kernels can be kept; where not, every run compiles them anew."""
    place = cache_directory()
    if _can_be_written(place):
        yield Finding("kernel cache", OK, str(place))
    else:
        advice = "set GENOMED_KERNEL_CACHE to a writable directory to spare compiling in every run"
        yield Finding("kernel cache", NOTE, f"{place} cannot be written", advice)


def _can_be_written(directory: Path) -> bool:
    """Whether a file can be made there, or the directory itself; nothing is left behind."""
    place = directory
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False


def _text_encoding(settings: DoctorSettings) -> Iterator[Finding]:
    names = {
        "locale": locale.getpreferredencoding(False),
        "file names": sys.getfilesystemencoding(),
        "output": getattr(sys.stdout, "encoding", None) or "utf-8",
    }
    value = ", ".join(f"{what} {encoding}" for what, encoding in names.items())
    is_utf8 = all(name.lower().replace("-", "") == "utf8" for name in names.values())
    advice = "" if is_utf8 else "set LC_ALL=C.UTF-8 or PYTHONUTF8=1, or names may come out wrong"
    yield Finding("text encoding", OK if is_utf8 else NOTE, value, advice)


def _models(settings: DoctorSettings) -> Iterator[Finding]:
    from genomed.io.library import (  # noqa: PLC0415 - see above
        default_library,
        library_entries,
        panel_paths,
    )

    panel, library = len(panel_paths()), default_library()
    advice = "" if panel else "install genomed again; its package data are gone"
    yield Finding("bundled panel", OK if panel else UNFIT, f"{panel} models", advice)
    n_models = len(library_entries(library))
    writable = _can_be_written(library)
    value = f"{n_models} models in {library}" + ("" if writable else ", which cannot be written")
    advice = "" if writable else "give --library, or set GENOMED_LIBRARY, to add models"
    yield Finding("model library", OK if writable else NOTE, value, advice)


# ---------------------------------------------------------------- numbers


def _numerics(settings: DoctorSettings) -> Iterator[Finding]:
    """Whether processor and devices multiply matrices rightly and keep NaN and infinity."""
    import numpy as np  # noqa: PLC0415 - see above

    rng = np.random.default_rng(1)
    shape = (settings.matrix_size, settings.matrix_size)
    left, right = (rng.standard_normal(shape).astype(np.float32) for _ in range(2))
    expected = left.astype(np.float64) @ right.astype(np.float64)
    yield _judge("numpy numerics", "", _flaws(np.matmul, left, right, expected, settings))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as a driver that is too old; asked about below
            import torch  # noqa: PLC0415 - see above

            devices = _devices(torch)
    except ImportError as error:
        yield Finding("torch", UNFIT, f"cannot be imported: {error}", "pip install torch")
        return
    for device, label in {"cpu": "", **devices}.items():
        product = _product_on(torch, device)
        flaws = _flaws(product, left, right, expected, settings)
        yield _judge(f"torch numerics on {device}", label, flaws)
        yield _exact_counts(device, label)
    if not devices:
        yield Finding("GPU", OK, "none; everything runs on the processor")


def _devices(torch: object) -> dict[str, str]:
    """Accelerators that torch can use: name -> description."""
    found = {}
    if torch.cuda.is_available():  # type: ignore[attr-defined]
        for index in range(torch.cuda.device_count()):  # type: ignore[attr-defined]
            facts = torch.cuda.get_device_properties(index)  # type: ignore[attr-defined]
            found[f"cuda:{index}"] = f"{facts.name}, {facts.total_memory / _GIB:.0f} GiB"
    if torch.backends.mps.is_available():  # type: ignore[attr-defined]
        found["mps"] = "Apple GPU"
    return found


def _product_on(torch: object, device: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        a = torch.from_numpy(left).to(device)  # type: ignore[attr-defined]
        b = torch.from_numpy(right).to(device)  # type: ignore[attr-defined]
        return (a @ b).cpu().numpy()

    return product


def _exact_counts(device: str, label: str) -> Finding:
    """Whether products of whole numbers are exact, as kinship and LD on a device need them."""
    from genomed.stats.packed_device import Products, open_device  # noqa: PLC0415 - see above

    name, where = f"whole numbers on {device}", f"{label}: " if label else ""
    try:
        Products(open_device(device))
    except ValueError as error:
        advice = "use --device cpu" if label else "install torch again, from another source"
        return Finding(name, UNFIT, f"{where}{error}", advice)
    return Finding(name, OK, f"{where}products are exact")


def _flaws(
    product: Callable[[np.ndarray, np.ndarray], np.ndarray],
    left: np.ndarray,
    right: np.ndarray,
    expected: np.ndarray,
    settings: DoctorSettings,
) -> tuple[float, list[str]]:
    """Largest relative error of a product, and what is wrong with it.

    left, right : float32 (n, n)
    expected    : float64 (n, n), their product
    """
    import numpy as np  # noqa: PLC0415 - see above

    flaws = []
    found = product(left, right)
    error = float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))
    if not error <= settings.float32_tolerance:  # also where it is NaN
        flaws.append(f"an error above {settings.float32_tolerance:g}")
    if found.tobytes() != product(left, right).tobytes():
        flaws.append("another result the second time")
    odd = left.copy()
    odd[0, 0], odd[1, 0] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        kept = product(odd, np.abs(right) + 1)
    if not np.isnan(kept[0]).all():
        flaws.append("NaN that turns into a number")
    if not np.isposinf(kept[1]).all():
        flaws.append("infinity that turns into something else")
    if not np.isfinite(kept[2:]).all():
        flaws.append("rows that spoil each other")
    return error, flaws


def _judge(name: str, label: str, result: tuple[float, list[str]]) -> Finding:
    error, flaws = result
    value = f"{label}: " if label else ""
    value += f"error {error:.1e} against float64, NaN and infinity kept"
    if not flaws:
        return Finding(name, OK, value)
    where = f"{label}: " if label else ""
    advice = "use --device cpu" if label else "install this package again, from another source"
    return Finding(name, UNFIT, f"{where}{'; '.join(flaws)} (error {error:.1e})", advice)
