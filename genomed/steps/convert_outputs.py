"""What a conversion says of itself: the ledger, run.json, warnings, and the fate of one variant."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from zlib_ng import gzip_ng

from genomed.errors import InputError
from genomed.io.formats import cohort_format
from genomed.io.pvar import contig_rank, pvar_contig
from genomed.ledger import CONVERTED
from genomed.provenance import Fingerprints, file_fingerprint, record
from genomed.regions import canonical_contig
from genomed.settings import ConvertSettings
from genomed.steps.convert_inputs import ConvertInputs
from genomed.steps.convert_pieces import Account, Piece
from genomed.tables import TABLES

__all__ = [
    "ConvertSummary",
    "convert_warnings",
    "explained",
    "pieces_in_order",
    "run_facts",
    "write_json",
    "write_ledger",
]

_FIRST_ODD = contig_rank("not human")[0]


@dataclass
class ConvertSummary:
    """What a run made, for the terminal."""

    n_samples: int
    n_variants: int
    accounts: list[Account]
    warnings: list[str]
    explained: list[str]
    outputs: dict[str, Path] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)


def pieces_in_order(pieces: Sequence[Piece], *, allow_none: bool = False) -> list[Piece]:
    """Pieces that hold variants, by the contig and position of their first; then the others.

    allow_none : take it that there is no variant at all
    raises     : InputError when there is none, or a contig in pieces that are apart
    """
    filled = [piece for piece in pieces if piece.variants.n_rows]
    if not filled and not allow_none:
        raise InputError(_nothing_left(pieces))
    if len(pieces) > 1:
        filled.sort(key=_place)
    _check_contigs(filled)
    for before, piece in pairwise(filled):
        _check_follows(before, piece)
    return filled + [piece for piece in pieces if not piece.variants.n_rows]


def _check_contigs(pieces: Sequence[Piece]) -> None:
    seen: list[str] = []
    for piece in pieces:
        for contig in map(pvar_contig, piece.variants.contigs):
            if contig in seen and contig != seen[-1]:
                raise InputError(
                    f"{piece.account.input}: contig {contig} is also in another input, with other "
                    "contigs between; give inputs that follow one another, or sort them together "
                    "with `bcftools concat -a`"
                )
            seen.append(contig)


def _check_follows(before: Piece, piece: Piece) -> None:
    assert before.last is not None
    assert piece.first is not None
    (contig, last), (next_contig, first) = before.last, piece.first
    if pvar_contig(contig) == pvar_contig(next_contig) and first < last:
        raise InputError(
            f"{piece.account.input}: begins at {next_contig}:{first}, before "
            f"{before.account.input} ends, at {last}; give inputs that follow one another, or "
            "merge them with `bcftools concat -a -D`"
        )


def _place(piece: Piece) -> tuple[int, str, int]:
    assert piece.first is not None
    return (*contig_rank(piece.first[0]), piece.first[1])


def _nothing_left(pieces: Sequence[Piece]) -> str:
    accounts = [piece.account for piece in pieces]
    reasons: dict[str, int] = {}
    for account in accounts:
        for fates in (account.refused, account.dropped):
            for fate, n in fates.items():
                reasons[fate] = reasons.get(fate, 0) + n
    passed = sum(account.passed_over for account in accounts)
    said = ", ".join(f"{n} {fate}" for fate, n in reasons.items())
    said = ", ".join(filter(None, [f"{passed} not asked for" if passed else "", said]))
    n = sum(account.records for account in accounts)
    name = accounts[0].input if len(accounts) == 1 else f"{len(accounts)} inputs"
    return (
        f"{name}: no variants are left to store ({n} records{': ' + said if said else ''}); check "
        "the input, and what the options ask for"
    )


def write_ledger(path: Path, pieces: Sequence[Piece]) -> Path:
    """Rows that are not stored as they stood, of all pieces: TABLES["convert_ledger"], gzip."""
    with path.open("wb") as file, gzip_ng.GzipNGFile("", "wb", 1, file, 0) as out:
        out.write(("\t".join(TABLES["convert_ledger"]) + "\n").encode())
        for piece in pieces:
            if piece.ledger.is_file():
                with piece.ledger.open("rb") as rows:
                    shutil.copyfileobj(rows, out, 1 << 20)
    return path


def write_json(path: Path, facts: dict[str, Any]) -> Path:
    """Write facts as JSON, keys in order."""
    path.write_text(json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    return path


def run_facts(
    inputs: ConvertInputs,
    settings: ConvertSettings,
    summary: ConvertSummary,
    pieces: Sequence[Piece],
    digests: Fingerprints,
) -> dict[str, Any]:
    """What run.json holds; all of it but "run" is the same for the same inputs and settings."""
    known = {piece.account.input: piece.sha256 for piece in pieces}
    found = {}
    for path in inputs.files:
        sha256 = known.get(str(path))
        if path.is_file():
            found[str(path)] = file_fingerprint(path, sha256) if sha256 else digests.of(path)
    facts = record("convert", settings, found)
    facts["records"] = [asdict(account) for account in summary.accounts]
    facts["samples"], facts["variants"] = summary.n_samples, summary.n_variants
    facts["warnings"], facts["explained"] = summary.warnings, summary.explained
    return facts


def convert_warnings(pieces: Sequence[Piece], settings: ConvertSettings) -> Iterator[str]:
    """Sentences about what others may not take, and what was lost."""
    contigs = [pvar_contig(c) for piece in pieces for c in piece.variants.contigs]
    odd = [c for c in dict.fromkeys(contigs) if contig_rank(c)[0] == _FIRST_ODD]
    if odd:
        yield (
            f"{len(odd)} contigs ({odd[0]} ...) are not human chromosomes: plink2 needs "
            "--allow-extra-chr, and regenie refuses them."
        )
    human = [c for c in dict.fromkeys(contigs) if c not in odd]
    if human != sorted(human, key=contig_rank):
        yield "The contigs are not in ascending order, as regenie wants them."
    unsorted = sum(piece.account.notes.get("unsorted", 0) for piece in pieces)
    if unsorted:
        yield f"{unsorted} records are not in order of position; `bcftools sort` puts them so."
    n_blanks = sum(piece.variants.n_blanks for piece in pieces)
    if n_blanks:
        yield f"{n_blanks} values of ID, FILTER or INFO held blanks, which became underscores."
    if settings.dosage is None and any(
        cohort_format(piece.account.input) == "bgen" for piece in pieces
    ):
        yield (
            "Of a BGEN only calls were kept; where the dosage is more than 0.1 from a whole number "
            "they are missing. --dosage DS keeps dosages as well."
        )
    accounts = [account for piece in pieces for account in piece.accounts]
    lost: dict[str, int] = {}
    for account in accounts:
        for fate, n in account.dropped.items():
            lost[fate] = lost.get(fate, 0) + n
    for fate, n in lost.items():
        if fate != "reference_block":
            yield f"{n} rows {CONVERTED[fate]}."
    refused = sum(sum(account.refused.values()) for account in accounts)
    if refused:
        yield f"{refused} records were refused; see run.json."


def explained(asked: Sequence[str], pieces: Sequence[Piece]) -> list[str]:
    """A paragraph on each variant that --explain names."""
    said = []
    for text in asked:
        contig, position, ref, alt = text.split(":")
        name = f"{canonical_contig(contig)}:{int(position)}:{ref.upper()}:{alt}"
        found = []
        for piece in pieces:
            events = [event.split("\t") for event in piece.seen.get(name, ())]
            found += [f"{piece.account.input}: {_sentence(event)}" for event in events]
            if events and all(event[0] == "in" for event in events):
                found.append("Stored as it stood.")
        said.append(f"{text}: {' '.join(found) or 'no such row was read.'}")
    return said


def _sentence(event: list[str]) -> str:
    if event[0] == "in":
        _, line, n_called, copies = event
        return f"line {line}: {n_called} samples called, {copies} copies of ALT."
    fate, line = event
    code, _, stored = fate.partition(", as ")
    what = CONVERTED[code]
    return f"line {line}: {what}{f' ({stored})' if stored else ''}."
