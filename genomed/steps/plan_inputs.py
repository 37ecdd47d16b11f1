"""Which jobs a configuration of the workflow, or a single file, makes, and how large each one is.

Headers and indexes are read, and the first records; nothing is assumed to be dropped on the way, so
that what comes later in the chain is planned for as many variants and people as came in.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from genomed.io.alignment_sizes import AlignmentSizes, alignment_sizes
from genomed.io.cohort_sizes import CohortSizes, cohort_sizes
from genomed.settings import EvaluateSettings, StructureSettings
from genomed.steps.workflow_files import workflow_checks

__all__ = ["Job", "jobs_of_config", "jobs_of_reads", "jobs_of_sizes", "store_of"]

HEAD_BYTES = 1 << 20
LARGEST_PART = 1.8  # of parts by chromosome, times the mean: chromosome 1 has 8 % of the genome
VARIANTS_PER_BASE, GVCF_BYTES_PER_BASE = 1e-3, 2.0  # of one person
PANEL_WEIGHTS = 200  # variants of all models of the bundled panel, about
PGEN_BYTES_RARE, PGEN_BYTES_COMMON = 0.02, 0.25  # of a call in a .pgen


@dataclass(frozen=True)
class Job:
    """One job of the workflow.

    rule, name : of the workflow, and the values of its wildcards
    model      : cost model, the name of a command
    sizes      : see genomed.stats.costs.terms
    steps      : of a command that has several, those that are done
    gpu        : GPUs that it asks for
    count      : how many jobs there are that are at most as large as this one
    after      : (rule, name) of what must be there first; what is not among the jobs is there
    estimated  : which sizes were not told exactly
    """

    rule: str
    name: str
    model: str
    sizes: Mapping[str, float]
    steps: tuple[str, ...] = ()
    threads: int = 1
    gpu: int = 0
    count: int = 1
    after: tuple[tuple[str, str], ...] = ()
    estimated: tuple[str, ...] = ()


def jobs_of_reads(path: str, threads: int) -> list[Job]:
    """What the commands on one file of alignments would be."""
    name = Path(path).name
    sizes = {name: alignment_sizes(Path(path))}
    return [_reads_qc(name, sizes.values(), threads), *_reads_calls(sizes, [], threads)]


def jobs_of_sizes(sizes: CohortSizes, name: str, threads: int, parts: int = 1) -> list[Job]:
    """The chain on one cohort, with one trait and the bundled panel.

    parts : jobs that it is converted in, for example one for each chromosome
    """
    config: dict[str, Any] = {
        "threads": threads, "cohorts": {name: ""}, "train": {"trait": ["trait"], "options": {}},
        "risk": {"models": []},
    }  # fmt: skip
    sections = ("convert", "qc", "structure", "evaluate", "explain")
    config |= {section: {"run": True, "options": {}} for section in sections}
    return _Chain(config, {name: sizes}, {name: parts}).jobs()


def jobs_of_config(
    config: Mapping[str, Any],
    resize: Callable[[CohortSizes], CohortSizes] = lambda sizes: sizes,
) -> list[Job]:
    """All jobs of a configuration, in the order of the chain; `resize` makes a cohort larger."""
    cohorts = {name: resize(_cohort(config, name)) for name in config["cohorts"]}
    jobs, called = _jobs_of_sheet(config)
    parts_of = workflow_checks().parts_of
    scattered = {name: max(1, len(parts_of(config, name))) for name in cohorts}
    jobs += _Chain(config, cohorts, scattered, called).jobs()
    if config["report"]["run"]:
        people = sum(job.sizes.get("samples", 0) for job in jobs if job.rule == "risk")
        after = tuple((job.rule, job.name) for job in jobs)
        jobs.append(Job("report", "*", "report", {"samples": people}, after=after))
    return jobs


def _jobs_of_sheet(config: Mapping[str, Any]) -> tuple[list[Job], CohortSizes | None]:
    """Jobs on the reads of a sheet of samples, and the cohort that is called from them, if any."""
    if not config["samples"]:
        return [], None
    rows, threads = workflow_checks().sheet(config["samples"]), config["threads"]
    sizes = {row["sample"]: alignment_sizes(Path(row["reads"])) for row in rows}
    jobs = []
    if config["reads_qc"]["run"]:
        if config["reads_qc"].get("scatter", "sheet") == "sheet":
            jobs.append(_reads_qc("all", sizes.values(), threads))
        else:
            jobs += [_reads_qc(name, [one], threads) for name, one in sizes.items()]
    new = {row["sample"]: sizes[row["sample"]] for row in rows if not row.get("cohort")}
    if not config["reads_call"]["run"] or not new:
        return jobs, None
    jobs += _reads_calls(new, config["reads_call"]["contigs"], threads)
    return jobs, _called(list(new.values()))


def _cohort(config: Mapping[str, Any], name: str) -> CohortSizes:
    """A cohort as if it were one file; of gVCFs, what is heterozygous tells of their union."""
    given = config["cohorts"][name]
    paths = [given] if isinstance(given, str) else given
    sizes = joined([cohort_sizes(path) for path in paths])
    if not config["convert"]["options"].get("gvcf"):
        return sizes
    people_of = workflow_checks().headers.people
    n = len({one for path in paths for one in people_of(Path(path)) or ()})
    variants = round(sizes.common / max(1, n) * _watterson(n))
    return replace(
        sizes, samples=n, variants=variants, common=variants,
        estimated=(*sizes.estimated, "variants", "common"),
    )  # fmt: skip


def _watterson(n: int) -> float:
    """Variants among n people for each place where one of them is heterozygous (1975)."""
    return sum(1 / i for i in range(1, 2 * n))


def _called(reads: list[AlignmentSizes]) -> CohortSizes:
    """The cohort that calls of these reads become."""
    n, bases = len(reads), max(one.covered or one.genome for one in reads)
    variants = round(VARIANTS_PER_BASE * bases * _watterson(n))
    text = round(GVCF_BYTES_PER_BASE * bases * n)
    return CohortSizes(
        "vcf", n, variants, variants, text // 8, text_bytes=text,
        estimated=("variants", "common", "text_bytes"),
    )  # fmt: skip


def store_of(sizes: CohortSizes) -> CohortSizes:
    """The store that `genomed convert` makes of a cohort, if it drops nothing."""
    n, m, common = sizes.samples, sizes.variants, sizes.common
    calls = PGEN_BYTES_COMMON * n * common + PGEN_BYTES_RARE * n * (m - common)
    size = sizes.file_bytes if sizes.kind == "pgen" else round(calls) + 5 * m
    return CohortSizes("pgen", n, m, common, size, 30 * m + 15 * n, estimated=sizes.estimated)


class _Chain:
    """Jobs from cohorts on."""

    def __init__(
        self, config: Mapping[str, Any], cohorts: Mapping[str, CohortSizes],
        scattered: Mapping[str, int], called: CohortSizes | None = None,
    ) -> None:  # fmt: skip
        self.config, self.cohorts = config, cohorts
        self.scattered, self.called = scattered, called
        self.threads = int(config["threads"])

    def jobs(self) -> list[Job]:
        """In the order in which they need each other."""
        jobs: list[Job] = []
        for name, sizes in self.cohorts.items():
            jobs += self._of_cohort(name, sizes)
        jobs += self._of_traits()
        for name, sizes in self.cohorts.items():
            jobs.append(self._risk(name, sizes))
        if self.called is not None:  # from reads, to be converted and scored
            name = self.config["reads_call"]["cohort"]
            after = (("reads_call", "*"),)
            jobs.append(self._job("convert", name, self.called, after=after))
            jobs.append(self._risk(name, self.called))
        return jobs

    def _job(self, rule: str, name: str, sizes: CohortSizes, **more: Any) -> Job:
        numbers = _numbers(sizes) | more.pop("numbers", {}) | {"threads": self.threads}
        return Job(
            rule, name, more.pop("model", rule), numbers, threads=self.threads,
            gpu=int(self.config.get(rule, {}).get("gpu", 0)), estimated=sizes.estimated, **more,
        )  # fmt: skip

    def _of_cohort(self, name: str, whole: CohortSizes) -> list[Job]:
        store = store_of(whole)
        jobs: list[Job] = []
        after: tuple[tuple[str, str], ...] = ()
        if (count := self.scattered[name]) > 1:
            part = _part(whole, min(1.0, LARGEST_PART / count))
            jobs.append(self._job("convert_part", name, part, model="convert", count=count))
            after, whole = (("convert_part", name),), store
        jobs.append(self._job("convert", name, whole, after=after))
        if self.config["qc"].get("run"):
            jobs.append(self._job("qc", name, store, after=(("convert", name),)))
        if self.config["structure"].get("run"):
            steps = _steps(self.config["structure"])
            jobs.append(
                self._job("structure", name, store, steps=steps, after=(self._clean(name),))
            )
        return jobs

    def _clean(self, name: str) -> tuple[str, str]:
        return ("qc" if self.config["qc"].get("run") else "convert", name)

    def _of_traits(self) -> list[Job]:
        section, jobs = self.config["train"], []
        if not section["trait"]:
            return []
        cohort = section.get("cohort") or next(iter(self.cohorts))
        store = store_of(self.cohorts[cohort])
        draws = int(self.config["evaluate"]["options"].get("bootstrap", EvaluateSettings.n_draws))
        tested = replace(store, samples=max(1, store.samples // 5))
        for trait in section["trait"]:
            jobs.append(self._job("train", trait, store, after=(self._clean(cohort),)))
            after = (("train", trait),)
            jobs.append(self._job("evaluate", trait, tested, numbers={"draws": draws}, after=after))
            if self.config["explain"].get("run"):
                jobs.append(self._job("explain", trait, store, after=after))
        return jobs

    def _risk(self, name: str, sizes: CohortSizes) -> Job:
        """A cohort of one file is scored as it came, any other from its store."""
        section, traits = self.config["risk"], self.config["train"]["trait"]
        weights, models = model_sizes(section["models"])
        if not section["models"] and not traits:
            weights, models = PANEL_WEIGHTS, 4
        numbers = {
            "weights": weights + sizes.common * len(traits), "models": models + len(traits)
        }  # fmt: skip
        after = tuple(("train", trait) for trait in traits)
        if not isinstance(self.config["cohorts"].get(name), str):
            sizes, after = store_of(sizes), (("convert", name), *after)
        return self._job("risk", name, sizes, numbers=numbers, after=after)


def joined(parts: list[CohortSizes]) -> CohortSizes:
    """Files of one cohort, one for each chromosome, as if they were one."""
    first = parts[0]
    added = ("variants", "common", "file_bytes", "table_bytes", "text_bytes")
    sums = {name: sum(getattr(part, name) for part in parts) for name in added}
    estimated = tuple(dict.fromkeys(name for part in parts for name in part.estimated))
    return replace(first, **sums, estimated=estimated)


def _part(sizes: CohortSizes, share: float) -> CohortSizes:
    """A share of the variants of a cohort."""
    scaled = ("variants", "common", "file_bytes", "table_bytes", "text_bytes")
    return replace(sizes, **{name: round(getattr(sizes, name) * share) for name in scaled})


def model_sizes(models: Iterable[str]) -> tuple[int, int]:
    """Weights and models of scoring files; of a name in the library, as of a large one."""
    n_weights = n_models = 0
    for name in models:
        path = Path(name)
        if not path.is_file() or path.suffix == ".zip":
            n_weights, n_models = n_weights + 1_000_000, n_models + 1
            continue
        rows, columns = _table_shape(path)
        n_weights, n_models = n_weights + rows * columns, n_models + columns
    return n_weights, n_models


def _table_shape(path: Path) -> tuple[int, int]:
    """About how many rows a scoring file has, and how many columns of weights, by its beginning."""
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        file: Any = gzip.GzipFile(fileobj=raw) if zipped else raw
        try:
            text = file.read(HEAD_BYTES)
        except (OSError, EOFError):
            return 1_000_000, 1
        share = path.stat().st_size / raw.tell() if len(text) == HEAD_BYTES else 1.0
    rows = [line for line in text.split(b"\n") if line and not line.startswith(b"#")]
    n_rows = round(max(0, len(rows) - 1) * share)
    header = rows[0] if rows else b""
    columns = max(1, header.count(b"\t") - 1) if header[:2] == b"ID" else 1
    return n_rows, columns


def _numbers(sizes: Any) -> dict[str, float]:
    numbers = {name: float(v) for name, v in asdict(sizes).items() if isinstance(v, int | float)}
    return numbers | {"is_bcf": float(getattr(sizes, "kind", "") == "bcf")}


def _steps(section: Mapping[str, Any]) -> tuple[str, ...]:
    given = section["options"].get("steps")
    return tuple(str(given).split(",")) if given else StructureSettings().steps


def _reads_qc(name: str, files: Iterable[AlignmentSizes], threads: int) -> Job:
    """Quality of files, in one job."""
    files = list(files)
    summed = ("records", "genome", "covered", "file_bytes", "contigs")
    numbers = {name: float(sum(getattr(one, name) for one in files)) for name in summed}
    bases = sum(one.records * one.read_length for one in files)
    numbers |= {"read_length": bases / max(1.0, numbers["records"]), "files": float(len(files))}
    numbers |= {"threads": float(threads), "longest": float(max(one.longest for one in files))}
    return Job("reads_qc", name, "reads_qc", numbers, threads=threads,
               estimated=files[0].estimated)  # fmt: skip


def _reads_calls(
    files: Mapping[str, AlignmentSizes], contigs: list[str], threads: int
) -> list[Job]:
    """Calls of each file, in one job for each contig that is listed."""
    share = min(1.0, LARGEST_PART / max(1, len(contigs)))
    jobs = []
    for name, sizes in files.items():
        numbers = _numbers(sizes) | {"threads": float(threads), "files": 1.0}
        numbers |= {key: numbers[key] * share for key in ("records", "covered")}
        jobs.append(
            Job("reads_call", name, "reads_call", numbers, threads=threads,
                count=max(1, len(contigs)), estimated=sizes.estimated)
        )  # fmt: skip
    return jobs
