"""What is wrong with a configuration of the workflow: all of it at once, before any job starts.

Standard library, and what Snakemake brings along (jsonschema, yaml), since genomed may be installed
in the environments of the rules only. Of files, headers and indexes are read, never records.
"""

from __future__ import annotations

import copy
import csv
import functools
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import yaml

__all__ = ["parts_of", "problems", "read_yaml", "sheet", "twice", "with_defaults"]

SCHEMAS = Path(__file__).parent / "schemas"
OURS = {
    "allow_no_variants", "json", "max_memory", "out", "quiet", "resume", "threads", "verbose",
    "write",
}  # fmt: skip
MOST_SAID = 50  # faults of a sheet
FILE_WORDS = {"FILE", "FASTA", "VCF", "BED", "LIST"}  # of --help: the value is a file


def _beside(name: str) -> ModuleType:
    """A module in this directory, which is no package: it is loaded by its path, as this one is."""
    spec = importlib.util.spec_from_file_location(
        f"genomed_workflow_{name}", Path(__file__).with_name(f"{name}.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


headers = _beside("headers")
against_schema = _beside("against_schema")


def problems(config: Mapping[str, Any], directory: Path | str = ".") -> list[str]:
    """Every fault of a configuration, of the sheet of samples and of the files that they name.

    directory : what paths are relative to: where Snakemake runs
    returns   : sentences, ``key: what is wrong; the remedy`` or ``file, line N: ...``; none if the
                workflow can start
    """
    schema = _schema("config")
    found, usable = against_schema.refused(config, schema)
    chosen = with_defaults(usable)
    checks = _Checks(chosen, Path(directory))
    return list(dict.fromkeys([*found, *checks.every()]))


class _OnceLoader(yaml.SafeLoader):
    """Refuses a key that stands twice in a section, where YAML forgets the first."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
                first = seen[key.value]
                raise yaml.YAMLError(f"line {line}: {key.value} is on line {first} already")
            if isinstance(key.value, str):
                seen[key.value] = line
        return super().construct_mapping(node, deep)


def read_yaml(text: str) -> Any:
    """What a configuration says. Raises yaml.YAMLError where it is no YAML, or a key is twice."""
    return yaml.load(text, _OnceLoader)


def twice(paths: Iterable[str | Path]) -> list[str]:
    """Keys that stand twice in configurations, of which Snakemake's reader forgets the first."""
    found = []
    for path in paths:
        try:
            read_yaml(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            found.append(f"{path}: {error}")
    return found


def with_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a configuration in which what is left out has its default."""
    whole: dict[str, Any] = copy.deepcopy(dict(config))
    for name, part in _schema("config")["properties"].items():
        section = whole.setdefault(name, copy.deepcopy(part.get("default")))
        for key, value in part.get("properties", {}).items():
            section.setdefault(key, copy.deepcopy(value.get("default")))
    return whole


def parts_of(config: Mapping[str, Any], cohort: str) -> dict[str, tuple[list[str], str]]:
    """Part -> its files, and its contig if it is no more of them; none of a whole cohort."""
    given, scatter = config["cohorts"].get(cohort, ""), config["convert"]["scatter"]
    paths = [given] if isinstance(given, str) else given
    parts: dict[str, tuple[list[str], str]] = {}
    if scatter == "files" and not config["convert"]["options"].get("gvcf"):
        parts = {str(n): ([path], "") for n, path in enumerate(paths, start=1)}
    elif scatter == "contigs" and given:
        for path in paths:
            if path.endswith((".pgen", ".bed", ".bgen")):
                parts[str(len(parts))] = ([path], "")
                continue
            for contig in headers.contigs_with_records(Path(path)):
                is_plain = re.fullmatch(r"[\w.-]+", contig)
                name = contig if is_plain else f"contig{len(parts)}"
                parts.setdefault(name, ([], contig))[0].append(path)
    return parts if len(parts) > 1 else {}


def sheet(path: Path | str) -> list[dict[str, str]]:
    """Rows of a sheet of samples, separated by tabs; lines that begin with # are comments."""
    return [row for _, row in _read_sheet(Path(path))[1]]


def _read_sheet(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Names of columns, and of each row its line and cells; those beyond the columns under ""."""
    names: list[str] = []
    rows = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        for line, cells in enumerate(csv.reader(file, delimiter="\t"), start=1):
            if not any(cells) or cells[0].startswith("#"):
                continue
            if not names:
                names = cells
                continue
            row = {name: cell for name, cell in zip(names, cells, strict=False) if cell}
            more = "\t".join(cells[len(names) :])
            rows.append((line, row | ({"": more} if more else {})))
    return names, rows


@functools.cache
def _schema(name: str) -> dict[str, Any]:
    return yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text())


class _Checks:
    """What no schema can say: files, columns, names that must agree.

    Every check yields sentences; none relies on another having found nothing.
    """

    def __init__(self, config: dict[str, Any], directory: Path) -> None:
        self.config, self.directory = config, directory
        self.listed = functools.cache(_listed)
        self.people_of = functools.cache(self._people_of_cohort)

    def every(self) -> Iterator[str]:
        """All faults, in the order of the configuration."""
        if not self.config["cohorts"] and not self.config["samples"]:
            yield "cohorts: nothing to work on; name a cohort, or a sheet of samples"
        yield from self._cohorts()
        yield from self._sheet()
        yield from self._fasta()
        yield from self._results()
        yield from self._tables()
        yield from self._training()
        yield from self._models()
        yield from self._covariates()
        yield from self._gpus()
        yield from self._options()

    def _at(self, path: str) -> Path:
        return self.directory / path

    def _missing(self, path: str) -> str | None:
        """Why a file cannot be read, with the remedy; None if it can."""
        file = self._at(path)
        if file.is_dir():
            return f"{path} is a directory; name a file"
        if not file.is_file():
            for end in (".pgen", ".bed", ".bgen", ".vcf.gz", ".bcf"):
                if self._at(path + end).is_file():
                    return f"{path}: no such file; {path}{end} is meant, it seems"
            where = "" if Path(path).is_absolute() else f" in {self.directory.resolve()}"
            return f"{path}: no such file{where}; correct the path, or put it there"
        fault = headers.fault_of(file)
        return None if fault is None else f"{path} {fault}"

    def _cohorts(self) -> Iterator[str]:
        for name, given in self.config["cohorts"].items():
            parts = [given] if isinstance(given, str) else given
            for number, path in enumerate(parts):
                key = f"cohorts.{name}" + ("" if isinstance(given, str) else f"[{number}]")
                if path in parts[:number]:
                    yield f"{key}: {path} is named twice; leave it out once"
                    continue
                missing = self._missing(path)
                if missing:
                    yield f"{key}: {missing}"
                    continue
                for beside in headers.companions(str(self._at(path))):
                    if not beside.is_file():
                        yield f"{key}: {path} lacks its {beside.name}; put it beside it"
                if self.config["convert"]["scatter"] == "contigs":
                    yield from self._contigs(key, path)
            yield from self._same_people(name, parts)

    def _contigs(self, key: str, path: str) -> Iterator[str]:
        if self._at(path).suffix in (".pgen", ".bed", ".bgen"):
            return
        try:
            headers.contigs_with_records(self._at(path))
        except ValueError as error:
            yield f"{key}: {path} {error}"

    def _same_people(self, name: str, parts: list[str]) -> Iterator[str]:
        """Parts of a cohort hold the same people; gVCFs are of different ones."""
        if len(parts) < 2 or self.config["convert"]["options"].get("gvcf"):
            return
        first = self._people(parts[0])
        for path in parts[1:]:
            other = self._people(path)
            if first and other and first != other:
                yield (
                    f"cohorts.{name}: {parts[0]} and {path} do not have the same samples in the "
                    "same order; make cohorts of their own of them, or say convert.options.gvcf: "
                    "true if they are gVCFs"
                )

    def _people(self, path: str) -> list[str] | None:
        return headers.people(self._at(path)) if self._at(path).is_file() else None

    def _people_of_cohort(self, name: str) -> set[str] | None:
        """Who is in a cohort, if all its files tell."""
        given = self.config["cohorts"][name]
        parts = [self._people(x) for x in ([given] if isinstance(given, str) else given)]
        return None if None in parts else {one for part in parts if part for one in part}

    def _sheet(self) -> Iterator[str]:
        path = self.config["samples"]
        if not path:
            return
        if missing := self._missing(path):
            yield f"samples: {missing}"
            return
        try:
            names, rows = _read_sheet(self._at(path))
        except (UnicodeDecodeError, csv.Error) as error:
            yield f"samples: {path} is no table of text ({error}); save it separated by tabs"
            return
        if not rows:
            yield f"samples: {path} has no samples; give a line each, below: sample, reads, cohort"
        lacking = [name for name in ("sample", "reads") if name not in names]
        if rows and lacking:
            remedy = "name it on its top"
            if len(names) == 1 and re.search(r"[,; ]", names[0]):
                remedy = "its columns must be separated by tabs"
            yield f"samples: {path} has no column {' and no '.join(lacking)}; {remedy}"
            return
        if twice := sorted({name for name in names if name and names.count(name) > 1}):
            yield f"samples: {path} has the column {', '.join(twice)} twice; take one out"
            return
        said = list(self._rows(rows))
        yield from (f"{path}, {sentence}" for sentence in said[:MOST_SAID])
        if len(said) > MOST_SAID:
            yield f"{path}: {len(said) - MOST_SAID} more faults like these; mend these first"
        yield from self._called([row for _, row in rows])

    def _rows(self, rows: list[tuple[int, dict[str, str]]]) -> Iterator[str]:
        line_of: dict[str, int] = {}
        for line, row in rows:
            sample = row.get("sample", "")
            yield from (f"line {line}: {sentence}" for sentence in self._row(row))
            if sample in line_of:
                first = line_of[sample]
                yield f"line {line}: {sample} is on line {first} already; merge its files"
            line_of.setdefault(sample, line)

    def _row(self, row: dict[str, str]) -> Iterator[str]:
        """Faults of one line of the sheet."""
        row = {key: value for key, value in row.items() if key or value}
        for error in jsonschema.Draft202012Validator(_schema("samples")).iter_errors(row):
            for key, sentence in against_schema.in_words(error):
                if key == [""]:
                    sentence = f"{row['']!r} stands in no column; take it out"
                yield ": ".join([*filter(None, map(str, key)), sentence])
        reads, sample, cohort = row.get("reads"), row.get("sample", ""), row.get("cohort")
        if reads and (missing := self._missing(reads)):
            yield f"reads: {missing}"
        elif reads and sample and reads.endswith((".bam", ".cram")):
            yield from self._reads(reads, sample, cohort)
        if cohort and cohort not in self.config["cohorts"]:
            known = ", ".join(self.config["cohorts"]) or "none"
            yield f"cohort: there is no cohort {cohort}; cohorts are: {known}"
        elif cohort:
            people = self.people_of(cohort)
            if people and sample not in people:
                yield f"cohort: {sample} is not in {cohort}; name them alike, or leave it empty"

    def _reads(self, path: str, sample: str, cohort: str | None) -> Iterator[str]:
        """Index, names and contigs of the alignments of a sample."""
        file = self._at(path)
        ends = (".crai",) if file.suffix == ".cram" else (".bai", ".csi")
        if headers.index_beside(file, *ends) is None:
            yield f"reads: {path} has no index; make one with samtools index"
        header = headers.alignments(file)
        if header is None:
            return
        if header.samples and sample not in header.samples:
            names = ", ".join(header.samples[:3])
            yield f"reads: {path} holds reads of {names}, not of {sample}; correct one of them"
        if not header.samples and not cohort and self.config["reads_call"]["run"]:
            yield (
                f"reads: no read group of {path} names a sample; add one with samtools addreplacerg"
            )
        wanted = [] if cohort else self.config["reads_call"]["contigs"]
        lacking = [contig for contig in wanted if contig not in header.contigs]
        if lacking and self.config["reads_call"]["run"]:
            yield (
                f"reads: {path} has no {', '.join(lacking)}, which reads_call.contigs names; "
                f"its contigs begin {', '.join(header.contigs[:3])}"
            )

    def _called(self, rows: list[dict[str, str]]) -> Iterator[str]:
        """What calling, and looking into reads, need besides."""
        name = self.config["reads_call"]["cohort"]
        called = self.config["reads_call"]["run"] and any(not row.get("cohort") for row in rows)
        if called and name in self.config["cohorts"]:
            yield (
                f"reads_call.cohort: {name} is the name of a cohort already; give calls a name "
                "of their own"
            )
        needy = called or any(row.get("cohort") for row in rows)
        crams = any(row.get("reads", "").endswith(".cram") for row in rows)
        if (needy or crams) and not self.config["fasta"]:
            yield "fasta: is empty, and reads are aligned to it; name the reference genome"

    def _fasta(self) -> Iterator[str]:
        path = self.config["fasta"]
        if path:
            if missing := self._missing(path):
                yield f"fasta: {missing}"
            elif not self._at(f"{path}.fai").is_file():
                yield f"fasta: {path} has no index; make one with samtools faidx"
        if self.config["risk"]["assume_hom_ref"] and not path:
            yield "risk.assume_hom_ref: needs the reference genome; name it as fasta"

    def _results(self) -> Iterator[str]:
        place = self._at(self.config["results"])
        if place.exists() and not place.is_dir():
            yield f"results: {self.config['results']} is a file; name a directory"
            return
        while not place.exists():
            place = place.parent
        if not os.access(place, os.W_OK | os.X_OK):
            yield f"results: {place} cannot be written to; choose another place"

    def _tables(self) -> Iterator[str]:
        """Values whose `format` in the schema says that they are files."""
        for section, part in _schema("config")["properties"].items():
            for name, about in part.get("properties", {}).items():
                value, key = self.config[section][name], f"{section}.{name}"
                if about.get("format") == "file" and value:
                    if missing := self._missing(value):
                        yield f"{key}: {missing}"
                elif about.get("format") == "file-or-name":
                    yield from self._file_or_name(key, value)
                elif about.get("format") == "file:column":
                    yield from self._column(key, value)

    def _file_or_name(self, key: str, value: str) -> Iterator[str]:
        """A path must exist; a name without / and ending must stand in the library."""
        if not value or self._at(value).exists():
            return
        if "/" in value or re.search(r"\.(txt|tsv|gz|zip|csv)$", value):
            yield f"{key}: {self._missing(value)}"
            return
        library = self.config[key.partition(".")[0]]["options"].get("library", "")
        listed = self.listed(str(library), self.directory)
        is_reference = key.endswith(".reference")
        names = [
            one["name"] for one in listed or [] if (one["kind"] == "reference") == is_reference
        ]
        if listed is not None and value not in names:
            kind = "reference" if is_reference else "model"
            hint = against_schema.meant(value, names) or "`genomed models list` shows all"
            yield f"{key}: there is no file, and in the library no {kind}, called {value}; {hint}"

    def _column(self, key: str, value: str) -> Iterator[str]:
        path, colon, column = value.partition(":")
        if not self._at(path).is_file():
            if colon or "/" in path:
                yield f"{key}: {self._missing(path)}"
            return
        if missing := self._missing(path):
            yield f"{key}: {missing}"
        table = headers.table(self._at(path))
        if table and colon and column not in table.columns:
            yield f"{key}: {path} has no column {column}; it has {', '.join(table.columns)}"

    def _training(self) -> Iterator[str]:
        train = self.config["train"]
        if not train["trait"]:
            return
        if not self.config["cohorts"]:
            yield "train.trait: there is no cohort to learn in; name one under cohorts"
            return
        learned_in = train["cohort"] or next(iter(self.config["cohorts"]))
        if learned_in not in self.config["cohorts"]:
            known = ", ".join(self.config["cohorts"])
            yield f"train.cohort: there is no cohort {learned_in}; cohorts are: {known}"
            return
        if not train["traits"]:
            yield "train.traits: is empty; name the table with the traits to learn"
        people = self.people_of(learned_in)
        for name in ("traits", "covariates"):
            path = train[name]
            table = headers.table(self._at(path)) if path and self._at(path).is_file() else None
            if table is None:
                continue
            if name == "traits":
                for trait in train["trait"]:
                    if trait not in table.columns and not _of_survival(trait, table.columns):
                        said = f"{path} has no column {trait}; it has {', '.join(table.columns)}"
                        yield f"train.trait: {said}"
            if people and table.samples and not people & set(table.samples):
                yield (
                    f"train.{name}: nobody of {path} is in cohort {learned_in}, whose samples "
                    f"begin {', '.join(sorted(people)[:2])}; name them alike"
                )

    def _models(self) -> Iterator[str]:
        least = self.config["risk"]["min_weighted_coverage"]
        if least != least:
            yield "risk.min_weighted_coverage: is no number; say a share, from 0 to 1"
        for number, model in enumerate(self.config["risk"]["models"]):
            yield from self._file_or_name(f"risk.models[{number}]", model)

    def _covariates(self) -> Iterator[str]:
        """Trained models ask for the covariates of everybody they score."""
        path = self.config["risk"]["covariates"]
        bundles = self.config["train"]["trait"] or [
            one for one in self.config["risk"]["models"] if one.endswith(".zip")
        ]
        table = headers.table(self._at(path)) if path and self._at(path).is_file() else None
        if table is None or not table.samples or not bundles:
            return
        people = {name: self.people_of(name) for name in self.config["cohorts"]}
        people[self.config["reads_call"]["cohort"]] = self._new_people()
        for name, samples in people.items():
            if samples and not samples & set(table.samples):
                yield (
                    f"risk.covariates: nobody of cohort {name} is in {path}, and trained models "
                    f"ask for covariates; add {', '.join(sorted(samples)[:2])} and the others"
                )

    def _new_people(self) -> set[str]:
        """Samples that are called from their reads."""
        path = self.config["samples"]
        if not path or not self._at(path).is_file() or not self.config["reads_call"]["run"]:
            return set()
        return {row.get("sample", "") for row in sheet(self._at(path)) if "cohort" not in row}

    def _gpus(self) -> Iterator[str]:
        for section in ("structure", "train"):
            device = str(self.config[section]["options"].get("device", "cpu"))
            if device.startswith("cuda") and not self.config[section]["gpu"]:
                yield f"{section}.gpu: is 0, but options.device is {device}; say gpu: 1"

    def _options(self) -> Iterator[str]:
        """Options that the command does not have, or that the workflow sets itself."""
        sections = [
            name
            for name, part in self.config.items()
            if isinstance(part, dict) and part.get("options")
        ]
        with ThreadPoolExecutor() as pool:
            for section, text in zip(sections, pool.map(_help_of, sections), strict=True):
                for name, value in self.config[section]["options"].items():
                    for sentence in self._option(section, name, value, text):
                        yield f"{section}.options.{name}: {sentence}"

    def _option(self, section: str, name: str, value: Any, text: str | None) -> Iterator[str]:
        """Faults of one option; `text` is what --help of the command says."""
        word = name.replace("_", "-")
        if word.replace("-", "_") in OURS:
            yield "the workflow sets it; take it out"
        elif name in self.config[section]:
            yield f"say {section}.{name} instead"
        elif text is not None:
            found = re.search(rf"--{re.escape(word)}(?![\w-])( [A-Z]+\s)?", text)
            if found is None:
                known = sorted(set(re.findall(r"--([a-z][a-z0-9-]+)", text)))
                hint = against_schema.meant(word, known).replace("-", "_") or "see its --help"
                yield f"`genomed {section.replace('_', ' ')}` has no --{word}; {hint}"
            elif (found[1] or "").strip() in FILE_WORDS and isinstance(value, str):
                yield from filter(None, [self._missing(value)])


def _help_of(section: str) -> str | None:
    """What `genomed COMMAND --help` prints; None where genomed is not at hand."""
    return _printed([*section.split("_"), "--help"])


def _listed(library: str, directory: Path) -> list[dict[str, Any]] | None:
    """What `genomed models list` tells of models and references; None where it cannot."""
    where = ["--library", library] if library else []
    text = _printed(["models", "list", "--json", *where], directory)
    return None if text is None else json.loads(text)


def _printed(words: list[str], directory: Path | None = None) -> str | None:
    """What a command of genomed prints; None where it fails, or genomed is not at hand."""
    beside = str(Path(sys.executable).parent)
    program = shutil.which("genomed") or shutil.which("genomed", path=beside)
    if program is None:
        return None
    done = subprocess.run(
        [program, *words],
        cwd=directory,
        env=os.environ | {"COLUMNS": "200", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else None


def _of_survival(trait: str, columns: list[str]) -> bool:
    """T stands for T_time and T_event."""
    return {f"{trait}_time", f"{trait}_event"} <= set(columns)
