"""VCF text read the slow, obvious way: the definition that the real reader is compared with.

Written from the VCF 4.3 and 4.4 specifications (section 1.6 for records and genotypes) and the
contract in genomed/schema.py; no numpy, no look-ahead, one loop. What it refuses, the real reader
must refuse; what it accepts, the real reader either accepts with the same rows or refuses.

Decisions where the specification is silent: blank lines are accepted at the end only; INFO/END
counts for records whose ALTs are all symbolic (or '.'), and only when it is not before POS;
a call of allele 1 in a record without ALT is not called;
REF is letters, or '.' as plink2 writes one that it does not know;
where DS or GP is missing the called GT is the dosage (as plink2 has it, measured with 2.00a3.5),
and unknown without one; a GP of an odd number of values says nothing; other sub-fields
are not looked at, but for DP and GQ where thresholds are given: a call below one is not called, and
has no dosage; without a number there it stands.
"""

import math
import re
from dataclasses import dataclass, field

FIXED = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
MISSING = -9
SLACK = 0.01  # rounding that a dosage may show beyond 0 and 2
MAX_POSITION = 2**31 - 1  # VCF integers are 32-bit (4.3, section 1.3)
_GT = re.compile(r"[/|]?((?:[0-9]+|\.)(?:[/|](?:[0-9]+|\.))*)")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


class ReferenceVcfError(Exception):
    """The text is not VCF; `line` is 1-based, 0 for the file as a whole."""

    def __init__(self, line: int, what: str):
        super().__init__(f"line {line}: {what}")
        self.line = line


@dataclass
class ReferenceRow:
    """One record and ALT; lists run over samples. dosage is None unless it was asked for."""

    contig: str
    position: int
    id: str | None
    ref: str
    alt: str
    end_position: int
    n_alts: int
    line: int
    alt_count: list[int]  # 0..2, -9 not called
    ploidy: list[int]  # 1 or 2; 2 where not called
    dosage: list[float | None] | None
    phase: list[int] = field(default_factory=list)  # 1 for 0|1, 2 for 1|0, else 0
    texts: tuple[str, str, str] = ("", "", "")  # QUAL, FILTER, INFO


@dataclass
class ReferenceCohort:
    """All rows of a file, in order, and what was met on the way."""

    samples: list[str]
    contigs: dict[str, int | None]
    rows: list[ReferenceRow] = field(default_factory=list)
    n_records: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    half_calls: int = 0
    low_calls: int = 0


def read_vcf_text(
    data: bytes, dosage: str | None = None, thresholds: tuple[int, int] = (0, 0)
) -> ReferenceCohort:
    """Read a whole VCF; `dosage` is None, "DS" or "GP". Raises ReferenceVcfError.

    thresholds : least DP and least GQ of a call
    """
    lines = [
        line.removesuffix(b"\r").decode("utf-8", "backslashreplace") for line in data.split(b"\n")
    ]
    while lines and not lines[-1]:
        lines.pop()
    cohort, n_columns, n_header_lines = _read_header(lines)
    for number, line in enumerate(lines[n_header_lines:], n_header_lines + 1):
        columns = line.split("\t")
        if not line or line.startswith("#"):
            raise ReferenceVcfError(number, "a blank or header line among the records")
        if len(columns) != n_columns:
            raise ReferenceVcfError(number, f"{len(columns)} columns instead of {n_columns}")
        _read_record(cohort, columns, number, dosage, thresholds)
    return cohort


def _read_header(lines: list[str]) -> tuple[ReferenceCohort, int, int]:
    contigs: dict[str, int | None] = {}
    for number, line in enumerate(lines, 1):
        if line.startswith("#CHROM"):
            columns = line.split("\t")
            if columns[:8] != FIXED or columns[8:9] not in ([], ["FORMAT"]):
                raise ReferenceVcfError(number, "the #CHROM line has other columns")
            samples = columns[9:]
            if len(set(samples)) < len(samples) or "" in samples:
                raise ReferenceVcfError(number, "a sample name is there twice, or empty")
            return ReferenceCohort(samples, contigs), len(columns), number
        if not line.startswith("#"):
            raise ReferenceVcfError(number, "a record or a blank line before the #CHROM line")
        if line.startswith("##contig=<"):
            pairs = dict(re.findall(r'(\w+)=("[^"]*"|[^,>]*)', line.removeprefix("##contig=<")))
            if "ID" in pairs:
                length = pairs.get("length", "")
                contigs.setdefault(
                    pairs["ID"], int(length) if re.fullmatch("[0-9]+", length) else None
                )
    raise ReferenceVcfError(0, "no #CHROM line")


def _read_record(
    cohort: ReferenceCohort,
    columns: list[str],
    line: int,
    dosage_field: str | None,
    thresholds: tuple[int, int],
) -> None:
    contig, position_text, identifier, ref, alt_text, quality, filters, info = columns[:8]
    if not re.fullmatch("[0-9]+", position_text) or int(position_text) > MAX_POSITION:
        raise ReferenceVcfError(line, f"POS {position_text!r} is not a position")
    alts = alt_text.split(",")
    if not re.fullmatch(r"[A-Za-z]+|\.", ref):
        raise ReferenceVcfError(line, f"REF {ref!r} is not letters")
    if not contig or not ref or not all(alts):
        raise ReferenceVcfError(line, "CHROM, REF or an ALT is empty")
    n_alts = 0 if alts == ["."] else len(alts)
    names = columns[8].split(":") if len(columns) > 8 else []
    cells = [cell.split(":") for cell in columns[9:]]
    calls = [_alleles(_sub_field(names, cell, "GT"), n_alts, line) for cell in cells]
    cohort.n_records += 1
    if any(len(call) > 2 for call in calls):
        cohort.refused["ploidy"] = cohort.refused.get("ploidy", 0) + 1
        return
    cohort.half_calls += sum(None in call and set(call) != {None} for call in calls)
    low = [_is_low(names, cell, thresholds) for cell in cells]
    cohort.low_calls += sum(low and None not in call for low, call in zip(low, calls, strict=True))
    calls = [[None] * len(c) if low else c for low, c in zip(low, calls, strict=True)]
    phased = [_is_phased(_sub_field(names, cell, "GT")) for cell in cells]
    position = int(position_text)
    for index, alt in enumerate(alts, 1):
        dosage = None
        if dosage_field is not None:
            dosage = [
                _dosage(dosage_field, _sub_field(names, cell, dosage_field), index, n_alts, line)
                for cell in cells
            ]
            dosage = [None if low else d for low, d in zip(low, dosage, strict=True)]
        counts = [MISSING if None in call else call.count(index) for call in calls]
        if dosage is not None and "GT" not in names:
            counts = [_hard_call(d) for d in dosage]
        elif dosage is not None:
            dosage = [
                float(count) if d is None and count != MISSING else d
                for d, count in zip(dosage, counts, strict=True)
            ]
        cohort.rows.append(
            ReferenceRow(
                contig=contig,
                position=position,
                id=None if identifier in (".", "") else identifier,
                ref=_spelling(ref),
                alt=_spelling(alt),
                end_position=_end_position(position, ref, alts, info),
                n_alts=n_alts,
                line=line,
                alt_count=counts,
                ploidy=[2 if None in call else len(call) for call in calls],
                dosage=dosage,
                phase=[
                    _haplotype(call, index) if bar and count == 1 else 0
                    for bar, call, count in zip(phased, calls, counts, strict=True)
                ],
                texts=(quality, filters, info),
            )
        )


def _sub_field(names: list[str], cell: list[str], name: str) -> str | None:
    """This sample's text for one FORMAT key; None where FORMAT or the cell does not have it."""
    if name not in names or cell == ["."]:
        return None
    index = names.index(name)
    return cell[index] if index < len(cell) else None


def _is_low(names: list[str], cell: list[str], thresholds: tuple[int, int]) -> bool:
    """Is DP or GQ below its threshold? Not when there is no number."""
    for name, least in zip(("DP", "GQ"), thresholds, strict=True):
        number = re.match("[0-9]+", _sub_field(names, cell, name) or "")
        if number and int(number[0]) < least:
            return True
    return False


def _haplotype(call: list[int | None], index: int) -> int:
    """Which allele of a call this one is, backwards as call_phase has it: 2 the first."""
    return 2 if call[0] == index else 1


def _is_phased(text: str | None) -> bool:
    """Does '|' stand between two alleles?"""
    return text is not None and "|" in text.lstrip("/|")


def _alleles(text: str | None, n_alts: int, line: int) -> list[int | None]:
    """Allele indexes of one call, None for a missing one; [None] where there is no GT."""
    if text is None:
        return [None]
    match = _GT.fullmatch(text)
    if match is None:
        raise ReferenceVcfError(line, f"genotype {text!r} cannot be understood")
    alleles = [None if a == "." else int(a) for a in re.split(r"[/|]", match[1])]
    if n_alts == 0 and any(alleles):  # vcf-validator's good files call allele 1 where ALT is '.'
        return [None] * len(alleles)
    if any(a is not None and a > n_alts for a in alleles):
        raise ReferenceVcfError(line, f"genotype {text!r} names an allele that is not there")
    return alleles


def _hard_call(dosage: float | None) -> int:
    """The nearest count when it is within 0.1, as plink2 has it."""
    if dosage is None or abs(dosage - math.floor(dosage + 0.5)) > 0.100001:
        return MISSING
    return math.floor(dosage + 0.5)


def _dosage(name: str, text: str | None, index: int, n_alts: int, line: int) -> float | None:
    """Expected copies of ALT number `index`, from DS or GP; None where it is not known."""
    if text is None or n_alts == 0:
        return None
    values = [None if v == "." else _number(v, line) for v in text.split(",")]
    if name == "DS":
        value = values[index - 1] if index <= len(values) else None
    elif None in values:
        value = None
    else:
        value = _expected_copies(values, index, n_alts)
    if value is not None and not -SLACK <= value <= 2 + SLACK:
        raise ReferenceVcfError(line, f"{name} {text!r} is outside 0 to 2")
    return None if value is None else min(max(value, 0.0), 2.0)


def _expected_copies(probabilities: list[float], index: int, n_alts: int) -> float | None:
    """From GP, whose Number is G: one per genotype, in the order of section 1.6.2.

    That is, of genotypes a/b with a <= b: for b in 0 .. n_alts, for a in 0 .. b; and as many as
    there are alleles for a haploid call.
    """
    haploid = [(a,) for a in range(n_alts + 1)]
    diploid = [(a, b) for b in range(n_alts + 1) for a in range(b + 1)]
    for genotypes in (haploid, diploid):
        if len(genotypes) == len(probabilities):
            return sum(p * g.count(index) for p, g in zip(probabilities, genotypes, strict=True))
    return None


def _number(text: str, line: int) -> float:
    if not _NUMBER.fullmatch(text):
        raise ReferenceVcfError(line, f"{text!r} is not a number")
    return float(text)


def is_symbolic(allele: str) -> bool:
    """<DEL>, <NON_REF>, <*>, breakends; not '*', which is an allele like any other."""
    return any(character in allele for character in "<>[]")


def _spelling(allele: str) -> str:
    return allele if is_symbolic(allele) else allele.upper()


def _end_position(position: int, ref: str, alts: list[str], info: str) -> int:
    """POS + len(REF) - 1; or INFO/END where every ALT is symbolic or missing."""
    last = position + len(ref) - 1
    if not all(is_symbolic(alt) or alt == "." for alt in alts):
        return last
    for entry in info.split(";"):
        key, _, value = entry.partition("=")
        if key == "END" and re.fullmatch("[0-9]+", value):
            return int(value) if position <= int(value) <= MAX_POSITION else last
    return last
