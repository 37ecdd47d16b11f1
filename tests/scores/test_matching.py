"""Which record of a cohort is which variant of a model."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomed.kernels.scoring import COUNT_ALT, COUNT_NONE, COUNT_REF
from genomed.schema import ScoreModel
from genomed.scores.matching import FITS, Entries, reverse_complement

ALT, REF, NONE = COUNT_ALT, COUNT_REF, COUNT_NONE


def make_model(*variants, by_id=False, refused=None) -> ScoreModel:
    """Variants as (position, effect, other) on contig 1; keyed by place, or as rs<position>."""
    n = len(variants)
    frame = pl.DataFrame(
        {
            "source_line": range(2, n + 2),
            "variant_id": [f"rs{p}" if by_id else None for p, _, _ in variants],
            "effect_allele": [e for _, e, _ in variants],
            "other_allele": [o for _, _, o in variants],
            "effect_weight": [1.0] * n,
            "effect_type": ["additive"] * n,
            **{f"dosage_{k}_weight": [None] * n for k in range(3)},
            "effect_allele_frequency": [None] * n,
            "refused": refused or [None] * n,
        },
        schema_overrides={
            "variant_id": pl.Utf8, "other_allele": pl.Utf8, "refused": pl.Utf8,
            "effect_allele_frequency": pl.Float64,
            **{f"dosage_{k}_weight": pl.Float64 for k in range(3)},
        },
    )  # fmt: skip
    locus = pl.DataFrame({"contig": ["1"] * n, "position": [p for p, _, _ in variants]})
    return ScoreModel("m", "m", "m.txt", frame, {} if by_id else {"GRCh38": locus})


def make_rows(*records) -> pl.DataFrame:
    """Rows from (position, ref, alts) or (position, ref, alts, end position)."""
    rows = []
    for line, (position, ref, alts, *end) in enumerate(records, 1):
        for alt in alts.split(","):
            last = end[0] if end else position + len(ref) - 1
            n_alts = 0 if alts == "." else alts.count(",") + 1
            rows.append(("1", position, f"rs{position}", ref, alt, last, n_alts, line))
    columns = ["canonical", "position", "id", "ref", "alt", "end_position", "n_alts", "line"]
    frame = pl.DataFrame(rows, schema=columns, orient="row").with_row_index("row")
    return frame.with_columns(pl.col("row").cast(pl.Int64), pl.col("n_alts").cast(pl.Int32))


def match(model, rows, reference=None):
    """Per matched variant: (variant, row, fit by name, count)."""
    entries = Entries.make([model], [next(iter(model.loci), None)])
    found = entries.match(rows, reference)
    return entries, [
        (e, r, FITS[f], c)
        for e, r, f, c in zip(found.entry, found.row, found.fit, found.count, strict=True)
    ]


@pytest.mark.parametrize(
    ("effect", "other", "ref", "alt", "expected"),
    [
        ("G", "A", "A", "G", ("exact", ALT)),
        ("A", "G", "A", "G", ("swapped", REF)),
        ("C", "T", "A", "G", ("flipped", ALT)),
        ("T", "C", "A", "G", ("flipped_swapped", REF)),
        ("G", None, "A", "G", ("exact", ALT)),
        ("A", None, "A", "G", ("swapped", REF)),
        ("C", None, "A", "G", None),  # without the other allele nothing says which strand it is
        ("T", "A", "A", "T", ("exact", ALT)),
        ("AT", "A", "A", "AT", ("exact", ALT)),
        ("CAT", "C", "G", "GATG", None),
        ("ACC", "A", "T", "GGT", ("flipped", ALT)),
        ("G", "A", "A", "C", ("hom_ref_called", NONE)),
        ("A", "G", "A", "C", ("hom_ref_called", REF)),
        ("G", "A", "A", ".", ("hom_ref_called", NONE)),
        ("A", None, "A", ".", ("hom_ref_called", REF)),
        ("A", None, "A", "<NON_REF>", ("hom_ref_called", REF)),
        ("G", None, "A", ".", None),
        ("G", "A", "A", "<*>", ("hom_ref_called", NONE)),
        ("G", "A", "A", "<DEL>", ("hom_ref_called", NONE)),
        ("G", "A", "A", "*", ("hom_ref_called", NONE)),
        ("G", "A", "A", "AT", ("hom_ref_called", NONE)),
        ("G", "C", "A", "T", None),
        ("AT", "A", "A", "G", None),  # an insertion is not ruled out by a call of one base
        ("A", "AT", "A", "G", None),
        ("A", "AT", "AT", "G", None),
    ],
)
def test_alleles_fit_as_they_stand_swapped_or_on_the_other_strand(
    effect, other, ref, alt, expected
):
    entries, found = match(make_model((10, effect, other)), make_rows((10, ref, alt)))
    assert found == ([] if expected is None else [(0, 0, *expected)])
    assert entries.seen.tolist() == [True]
    assert entries.reason.tolist() == [None if expected is None else expected[0]]


@pytest.mark.parametrize(
    ("effect", "other", "ref", "alt", "expected"),
    [
        ("T", "A", "A", "T", True),
        ("G", "C", "G", "C", True),
        ("T", None, "A", "T", True),
        ("A", None, "A", "T", True),
        ("G", None, "A", "G", False),
        ("G", "A", "A", "G", False),
        ("T", "A", "A", "C", True),  # hom-ref, if the model is on this strand
        ("G", "A", "A", "C", False),
        ("AT", "T", "T", "AT", False),
        ("TA", "T", "T", "TA", False),
    ],
)
def test_palindromes_are_marked_also_without_an_other_allele(effect, other, ref, alt, expected):
    entries = Entries.make([make_model((10, effect, other))], ["GRCh38"])
    assert entries.match(make_rows((10, ref, alt))).ambiguous.tolist() == [expected]


def test_an_alt_of_a_multi_allelic_record_is_matched_in_its_row():
    _, found = match(make_model((10, "T", "A")), make_rows((10, "A", "G,T")))
    assert found == [(0, 1, "exact", ALT)]


def test_the_best_fit_at_a_position_wins_over_the_first_record():
    rows = make_rows((10, "A", "C"), (10, "A", "G"))
    _, found = match(make_model((10, "G", "A")), rows)
    assert found == [(0, 1, "exact", ALT)]


def test_of_two_records_of_one_variant_the_first_counts():
    rows = make_rows((10, "A", "G"), (10, "A", "G"))
    _, found = match(make_model((10, "G", "A")), rows)
    assert found == [(0, 0, "exact", ALT)]


def test_a_variant_is_matched_once_however_many_batches_hold_it():
    entries = Entries.make([make_model((10, "G", "A"))], ["GRCh38"])
    first = entries.match(make_rows((10, "A", "G")))
    second = entries.match(make_rows((10, "A", "G")))
    assert (len(first.entry), len(second.entry)) == (1, 0)


def test_padded_alleles_are_matched_in_their_shortest_form():
    rows = make_rows((98, "CTA", "CTG"), (200, "CAG", "CG"))
    _, found = match(make_model((100, "G", "A"), (200, "C", "CA")), rows)
    assert found == [(0, 0, "exact", ALT), (1, 1, "exact", ALT)]


def test_a_padded_record_of_another_variant_does_not_hide_the_record_behind_it():
    rows = make_rows((99, "CA", "CT"), (100, "A", "G"))
    _, found = match(make_model((100, "G", "A")), rows)
    assert found == [(0, 1, "exact", ALT)]


def test_a_variant_inside_a_block_needs_the_reference_base():
    rows = make_rows((90, "C", "<NON_REF>", 110))
    model = make_model((100, "G", "A"), (101, "G", "A"), (102, "C", "T"), (111, "G", "A"))
    entries, found = match(model, rows)
    assert found == []
    assert entries.seen.tolist() == [True, True, True, False]
    bases = pl.DataFrame({"entry": [0, 1, 2, 3], "ref": ["A", "G", "A", "A"]})
    entries, found = match(model, rows, bases)
    assert found == [(0, 0, "hom_ref_block", NONE), (1, 0, "hom_ref_block", REF)]
    assert entries.reason.tolist() == ["hom_ref_block", "hom_ref_block", None, None]


@pytest.mark.parametrize("alts", [".", "<*>", "<NON_REF>"])
def test_every_kind_of_block_reaches_to_its_end(alts):
    bases = pl.DataFrame({"entry": [0, 1], "ref": ["A", "A"]})
    _, found = match(
        make_model((110, "G", "A"), (111, "G", "A")), make_rows((90, "C", alts, 110)), bases
    )
    assert found == [(0, 0, "hom_ref_block", NONE)]


def test_ids_match_whole_or_as_one_of_several():
    rows = make_rows((10, "A", "G"), (20, "A", "G")).with_columns(
        id=pl.Series(["rs99;rs10", None], dtype=pl.Utf8)
    )
    entries, found = match(make_model((10, "G", "A"), (20, "G", None), by_id=True), rows)
    assert found == [(0, 0, "exact", ALT)]
    assert entries.wanted().ids == {"rs10", "rs20"}
    assert entries.wanted().positions == {}


def test_refused_rows_are_neither_wanted_nor_matched():
    model = make_model((10, "G", "A"), (20, "G", "A"), refused=[None, "haplotype"])
    entries, found = match(model, make_rows((10, "A", "G"), (20, "A", "G")))
    assert found == [(0, 0, "exact", ALT)]
    assert entries.reason.tolist() == ["exact", "haplotype"]
    assert entries.wanted().positions["1"].tolist() == [10]


def test_a_row_without_a_position_in_the_build_is_refused():
    model = make_model((10, "G", "A"), (20, "G", "A"))
    locus = model.loci["GRCh38"].with_columns(position=pl.Series([10, None]))
    entries, _ = match(
        ScoreModel("m", "m", "m.txt", model.variants, {"GRCh38": locus}), make_rows((10, "A", "G"))
    )
    assert entries.reason.tolist() == ["exact", "no_position"]


@given(st.lists(st.text("ACGT", min_size=1, max_size=5), min_size=1))
def test_reading_the_other_strand_twice_gives_the_alleles_back(alleles):
    series = pl.Series("a", alleles)
    flipped = reverse_complement(series)
    assert reverse_complement(flipped).to_list() == alleles
    assert flipped.to_list() == [
        "".join({"A": "T", "C": "G", "G": "C", "T": "A"}[b] for b in reversed(a)) for a in alleles
    ]
