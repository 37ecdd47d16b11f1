"""gVCFs of several people in one store: a call is 0 only where every base of REF was seen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_cohorts import Record, vcf_text
from steps.test_convert import calls, convert, table

from genomed.errors import InputError, UsageError

HEADER = '##ALT=<ID=NON_REF,Description="Any other">\n'


def block(first: int, last: int, depth: int = 30, quality: int = 60) -> Record:
    return Record(
        "chr1", first, "N", "<NON_REF>", f"0/0:{depth}:{quality}", info=f"END={last}",
        format="GT:DP:GQ",
    )  # fmt: skip


def variant(position: int, ref: str, alt: str, call: str) -> Record:
    return Record("chr1", position, ref, f"{alt},<NON_REF>", f"{call}:30:60", format="GT:DP:GQ")


def write(path: Path, name: str, *records: Record) -> str:
    text = vcf_text(records, [name])
    path.write_text(text.replace("#CHROM", HEADER + "#CHROM", 1))
    return str(path)


def stored(folder: Path, **people: list[Record]) -> dict[str, list[int]]:
    """position:ref:alt -> calls of the people, in the order given."""
    paths = [write(folder / f"{name}.vcf", name, *records) for name, records in people.items()]
    convert(*paths, out=folder / "s", gvcf=True)
    rows = [f"{row['POS']}:{row['REF']}:{row['ALT']}" for row in table(folder / "s")]
    return dict(zip(rows, calls(folder / "s", len(people)), strict=True))


def test_a_block_proves_hom_ref_and_its_absence_proves_nothing(tmp_path: Path) -> None:
    found = stored(
        tmp_path,
        a=[variant(5, "A", "C", "0/1"), variant(9, "A", "G", "1/1")],
        b=[block(1, 7)],
        c=[block(1, 8, depth=9), block(9, 9, quality=19)],
    )
    assert found == {"5:A:C": [1, 0, -9], "9:A:G": [2, -9, -9]}


def test_a_deletion_needs_every_base_of_it_shown(tmp_path: Path) -> None:
    found = stored(
        tmp_path,
        a=[variant(5, "ACGT", "A", "0/1")],
        b=[block(1, 6), block(7, 9)],
        c=[block(1, 6), block(8, 9)],
        d=[block(1, 7)],
    )
    assert found == {"5:ACGT:A": [1, 0, -9, -9]}


def test_another_allele_at_the_place_is_no_copy_of_this_one(tmp_path: Path) -> None:
    found = stored(
        tmp_path,
        a=[variant(5, "A", "C", "0/1")],
        b=[variant(5, "A", "G", "1/1")],
        c=[variant(5, "A", "G", "./.")],
    )
    assert found == {"5:A:C": [1, 0, -9], "5:A:G": [0, 2, -9]}


def test_bases_below_somebodys_deletion_are_unknown(tmp_path: Path) -> None:
    found = stored(
        tmp_path,
        a=[variant(7, "A", "C", "0/1"), block(8, 9)],
        b=[variant(5, "TTAT", "T", "0/1"), block(9, 9)],
        c=[variant(5, "TTAT", "T", "0/0")],
    )
    assert found == {"5:TTAT:T": [-9, 1, 0], "7:A:C": [1, -9, 0]}


def test_contigs_may_be_spelt_in_two_ways(tmp_path: Path) -> None:
    a = write(tmp_path / "a.vcf", "a", variant(5, "A", "C", "0/1"))
    text = Path(a).read_text().replace("chr1", "1").replace("\ta\n", "\tb\n")
    b = tmp_path / "b.vcf"
    b.write_text(text)
    convert(a, str(b), out=tmp_path / "s", gvcf=True)
    assert calls(tmp_path / "s", 2) == [[1, 1]]


def test_inputs_account_for_their_rows_and_so_does_the_union(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / "a.vcf", "a", block(1, 4), variant(5, "A", "C", "0/1")),
        write(tmp_path / "b.vcf", "b", block(1, 5), variant(6, "A", "C", "0/1")),
    ]
    summary = convert(*paths, out=tmp_path / "s", gvcf=True, max_missing=0.4)
    with pytest.raises(InputError, match="no variants are left"):
        convert(*paths, out=tmp_path / "t", gvcf=True, max_missing=0.4, min_ac=2)
    assert [one.input for one in summary.accounts] == [*paths, "union of the inputs"]
    assert summary.accounts[-1].dropped == {"missing": 1}
    for one in summary.accounts:
        assert one.rows == one.stored + sum(one.dropped.values())


def test_one_person_twice_and_options_without_a_meaning_are_refused(tmp_path: Path) -> None:
    a = write(tmp_path / "a.vcf", "a", variant(5, "A", "C", "0/1"))
    b = write(tmp_path / "b.vcf", "b", variant(5, "A", "C", "0/1"))
    with pytest.raises(InputError, match="'a' is in two of the inputs"):
        convert(a, a, out=tmp_path / "s", gvcf=True)
    with pytest.raises(InputError, match="side by side with --gvcf"):
        convert(a, b, out=tmp_path / "s")
    with pytest.raises(UsageError, match="phase"):
        convert(a, b, out=tmp_path / "s", gvcf=True, phase=True)


def test_parts_of_a_person_on_different_contigs_are_as_good_as_one_file(tmp_path: Path) -> None:
    def elsewhere(record: Record) -> Record:
        return replace(record, contig="chr2")

    a = [variant(5, "A", "C", "0/1"), variant(9, "A", "G", "1/1")]
    parts = [
        write(tmp_path / "a1.vcf", "a", *a),
        write(tmp_path / "b1.vcf", "b", block(1, 7)),
        write(tmp_path / "a2.vcf", "a", elsewhere(block(1, 9))),
        write(tmp_path / "b2.vcf", "b", elsewhere(variant(3, "A", "T", "0/1"))),
    ]
    whole = [
        write(tmp_path / "a.vcf", "a", *a, elsewhere(block(1, 9))),
        write(tmp_path / "b.vcf", "b", block(1, 7), elsewhere(variant(3, "A", "T", "0/1"))),
    ]
    convert(*parts, out=tmp_path / "parts", gvcf=True)
    convert(*whole, out=tmp_path / "whole", gvcf=True)

    assert calls(tmp_path / "parts", 2) == [[1, 0], [2, -9], [0, 1]]
    assert table(tmp_path / "parts") == table(tmp_path / "whole")
    for end in (".pgen", ".psam"):
        one, other = (Path(f"{tmp_path / name}{end}").read_bytes() for name in ("parts", "whole"))
        assert one == other, end


GENOME = "ACGTTGCAACGT"


@st.composite
def people(draw: st.DrawFn) -> list[list[tuple]]:
    """Per person: (position, REF, ALT or None for a block, last, good or called, copies)."""
    everybody = []
    for _ in range(draw(st.integers(2, 3))):
        at, records = 1, []
        while at <= len(GENOME):
            kind = draw(st.sampled_from(["gap", "block", "low", "snv", "deletion", "insertion"]))
            length = draw(st.integers(1, 4))
            last = min(at + length - 1, len(GENOME))
            ref = GENOME[at - 1]
            copies = draw(st.sampled_from([-9, 0, 1, 2]))
            if kind in ("block", "low"):
                records.append((at, ref, None, last, kind == "block", 0))
            elif kind == "snv":
                last = at
                alt = draw(st.sampled_from([b for b in "ACGT" if b != ref]))
                records.append((at, ref, alt, at, True, copies))
            elif kind == "insertion":
                last = at
                records.append((at, ref, ref + "T", at, True, copies))
            elif kind == "deletion" and last > at:
                records.append((at, GENOME[at - 1 : last], ref, last, True, copies))
            at = last + 1
        everybody.append(records)
    return everybody


def naive(records: list[tuple], position: int, ref: str, alt: str) -> int:
    """Copies of an ALT by looking at every base, or -9."""
    seen = set()
    for at, own_ref, own_alt, last, good, copies in records:
        if (at, own_ref, own_alt) == (position, ref, alt):
            return copies
        if at == position and own_alt is not None and copies == -9:
            return -9
        if own_alt is None:
            seen |= set(range(at, last + 1)) if good else set()
        elif copies == 0:
            seen |= set(range(at, last + 1))
        elif copies > 0:
            seen.add(at)
    return 0 if set(range(position, position + len(ref))) <= seen else -9


@given(people())
def test_calls_equal_the_definition(tmp_path_factory: pytest.TempPathFactory, everybody) -> None:
    folder = tmp_path_factory.mktemp("gvcf")
    texts = {-9: "./.", 0: "0/0", 1: "0/1", 2: "1/1"}
    given_records = {}
    for number, records in enumerate(everybody):
        given_records[f"p{number}"] = [
            block(at, last, 30 if good else 3)
            if alt is None
            else variant(at, ref, alt, texts[copies])
            for at, ref, alt, last, good, copies in records
        ] or [block(99, 99)]
    sites = sorted({r[:3] for records in everybody for r in records if r[2] is not None})
    if not sites:
        return
    expected = {
        f"{at}:{ref}:{alt}": [naive(records, at, ref, alt) for records in everybody]
        for at, ref, alt in sites
    }
    found = stored(folder, **given_records)
    assert found == expected
    assert np.array(list(found.values())).shape == (len(sites), len(everybody))


def test_a_bcf_is_refused_where_blocks_must_be_judged(tmp_path: Path) -> None:
    pysam = pytest.importorskip("pysam")
    a = write(tmp_path / "a.vcf", "a", variant(5, "A", "C", "0/1"))
    with (
        pysam.VariantFile(a) as source,
        pysam.VariantFile(str(tmp_path / "a.bcf"), "wb", header=source.header) as out,
    ):
        for record in source:
            out.write(record)
    with pytest.raises(UsageError, match="not read from BCF"):
        convert(str(tmp_path / "a.bcf"), out=tmp_path / "s", gvcf=True)
    options = {"min_block_depth": 0, "min_block_quality": 0}
    convert(str(tmp_path / "a.bcf"), out=tmp_path / "s", gvcf=True, **options)
    assert calls(tmp_path / "s", 1) == [[1]]
