"""Scores of a whole run against their definition, and what a missing call may and may not do."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_score import ModelVariant, ReferenceScore, Rules, reference_score
from reference_vcf import read_vcf_text
from small_cohorts import Record, Scored, row, score, vcf_text, write_model, write_vcf

from genomed.errors import CoverageError
from genomed.kernels.scoring import ADDITIVE, DOMINANT, PRESENT, RECESSIVE
from genomed.scores.polygenic import MISSING_RULES, filled_dosage

PLACES = [(c, p) for c in ("1", "2", "X", "Y", "MT") for p in (100, 200)]
PLOIDIES = {"X": (1, 2), "Y": (1,), "MT": (1,)}
ALLELES = [
    ("A", "G"), ("A", "T"), ("C", "G"), ("G", "A,T"), ("A", "AT"), ("CA", "C"), ("C", "A,T,G"),
    ("A", "."), ("G", "*,A"), ("A", "<DEL>"), ("T", "<NON_REF>"),
]  # fmt: skip
BASES = ["A", "C", "G", "T"]


# ---------------------------------------------------------------- what is generated


@st.composite
def one_record(draw, n_samples, dosages):
    """A record at one of few places; with dosages, some cells have DS, and some no GT."""
    contig, position = draw(st.sampled_from(PLACES))
    ref, alt = draw(st.sampled_from(ALLELES))
    n_alts = 0 if alt == "." else alt.count(",") + 1
    called = 0 if alt.startswith("<") else n_alts  # nobody calls a symbolic allele here
    cells = []
    for _ in range(n_samples):
        ploidy = draw(st.sampled_from(PLOIDIES.get(contig, (2,))))
        missing = draw(st.integers(0, 4)) == 0
        alleles = [draw(st.integers(0, called)) for _ in range(ploidy)]
        gt = "/".join("." if missing else str(a) for a in alleles)
        if dosages:
            values = [draw(st.integers(0, 1000 * ploidy)) / 1000 for _ in range(max(n_alts, 1))]
            texts = [draw(st.sampled_from([str(v), str(v), "."])) for v in values]
            gt += ":" + draw(st.sampled_from([",".join(texts), "."]))
        cells.append(gt)
    return Record(contig, position, ref, alt, " ".join(cells), format="GT:DS" if dosages else "GT")


@st.composite
def cohorts(draw, dosages=False):
    n_samples = draw(st.integers(1, 6))
    records = draw(st.lists(one_record(n_samples, dosages), min_size=1, max_size=6))
    order = list(dict.fromkeys(c for c, _ in PLACES))
    return sorted(records, key=lambda r: (order.index(r.contig), r.position))


def alleles_of(record):
    return [a for a in (record.ref, *record.alt.split(",")) if set(a) <= set("ACGT")]


@st.composite
def model_rows(draw, records):
    """Variants mostly at the records, mostly with their alleles, in any order and on any strand."""
    rows = []
    for _ in range(draw(st.integers(1, 7))):
        record = draw(st.sampled_from(records))
        place = record.contig, record.position
        if draw(st.integers(0, 7)) == 0:
            place = draw(st.sampled_from(PLACES))
        pool = [*alleles_of(record) * 2, *BASES]
        effect = draw(st.sampled_from(pool))
        other = draw(st.sampled_from([*(a for a in pool if a != effect), None]))
        kind = draw(st.sampled_from(["additive", "additive", "dominant", "recessive", "dosage"]))
        eighths = st.integers(-16, 16).map(lambda k: k / 8)
        frequency = draw(st.sampled_from([None, 0.125, 0.375, 0.75]))
        weights = [draw(eighths) for _ in range(3)] if kind == "dosage" else [draw(eighths)]
        rows.append((*place, effect, other, weights, kind, frequency))
    return list({r[:4]: r for r in rows}.values())


def as_file_row(r):
    contig, position, effect, other, weights, kind, frequency = r
    more = {"allelefrequency_effect": frequency, "effect_type": kind if kind != "dosage" else None}
    more |= {f"dosage_{k}_weight": w for k, w in enumerate(weights) if kind == "dosage"}
    return row(contig, position, effect, other, "" if kind == "dosage" else weights[0], **more)


def as_variant(r):
    contig, position, effect, other, weights, kind, frequency = r
    by_dosage = tuple(weights) if kind == "dosage" else None
    return ModelVariant(contig, position, effect, other, weights[0], kind, by_dosage, frequency)


def run(records, rows, folder, **options) -> Scored | None:
    """The whole path; None when no variant is found."""
    cohort = write_vcf(folder / "cohort.vcf", records)
    model = write_model(folder / "model.txt", rows)
    try:
        return score(cohort, [model], folder / "out", **options)
    except CoverageError:
        return None


def check_against_the_definition(records, rows, missing, ambiguous, dosage=None):
    cohort = read_vcf_text(vcf_text(records).encode(), dosage)
    rules = Rules(missing=missing, ambiguous=ambiguous)
    expected = reference_score(cohort, [as_variant(r) for r in rows], rules)
    with tempfile.TemporaryDirectory() as folder:
        found = run(
            records, map(as_file_row, rows), Path(folder), missing=missing, ambiguous=ambiguous,
            dosage_field=dosage or "GT",
        )  # fmt: skip
        compare(found, expected, missing)


def compare(found: Scored | None, expected: ReferenceScore, missing: str) -> None:
    if found is None:
        assert expected.n_matched == 0
        return
    names = found.reasons
    if (
        missing == "reference-mean"
    ):  # absent variants are filled in; the definition has no such rule
        assert [r for r in names if r != "imputed_reference"] == [
            r for r, n in zip(expected.reasons, names, strict=True) if n != "imputed_reference"
        ]
        if "imputed_reference" in names:
            return
    assert names == expected.reasons
    np.testing.assert_allclose(found.scores(), expected.score, rtol=1e-6, atol=1e-6)
    assert found.risk["n_missing_calls"].to_list() == expected.n_missing
    averages = [
        s / n if n else float("nan")
        for s, n in zip(expected.score, expected.n_alleles, strict=True)
    ]
    np.testing.assert_allclose(found.scores(column="average"), averages, rtol=1e-6, atol=1e-6)


@settings(max_examples=20)
@given(st.data(), cohorts(), st.sampled_from(MISSING_RULES), st.sampled_from(["drop", "keep"]))
def test_scores_are_those_of_the_definition(data, records, missing, ambiguous):
    rows = data.draw(model_rows(records))
    check_against_the_definition(records, rows, missing, ambiguous)


@settings(max_examples=15)
@given(st.data(), cohorts(dosages=True), st.sampled_from(MISSING_RULES))
def test_scores_of_dosages_are_those_of_the_definition(data, records, missing):
    rows = data.draw(model_rows(records))
    check_against_the_definition(records, rows, missing, "keep", "DS")


@settings(max_examples=12)
@given(st.data(), cohorts())
def test_a_model_keyed_by_id_scores_as_one_keyed_by_position(data, records):
    named = [
        Record(r.contig, r.position, r.ref, r.alt, r.calls, id=f"rs{r.contig}{r.position}")
        for r in records
    ]
    rows = [as_file_row(r) for r in data.draw(model_rows(records))]
    by_id = [
        {"rsID": f"rs{r['chr_name']}{r['chr_position']}"}
        | {k: v for k, v in r.items() if not k.startswith("chr_")}
        for r in rows
    ]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        placed = run(named, rows, Path(one))
        keyed = run(named, by_id, Path(two))
        assert (placed is None) == (keyed is None)
        if placed is not None and keyed is not None:
            assert keyed.reasons == placed.reasons
            np.testing.assert_array_equal(keyed.scores(), placed.scores())
            assert keyed.models["build"].to_list() == [None]


# ---------------------------------------------------------------- a missing call is missing


@st.composite
def one_call(draw, n_alts):
    return "/".join(str(draw(st.integers(0, n_alts))) for _ in range(2))


@st.composite
def losses(draw):
    """Calls of one record, and of which sample the call is lost; the effect allele and its kind."""
    n_alts = draw(st.sampled_from([1, 1, 2]))
    cells = draw(
        st.lists(
            st.one_of(one_call(n_alts), one_call(n_alts), st.just("./.")), min_size=1, max_size=6
        )
    )
    called = [i for i, c in enumerate(cells) if c != "./."]
    if not called:
        cells[0], called = "0/1", [0]
    effect = draw(st.integers(0, n_alts))
    kind = draw(st.sampled_from(["additive", "dominant", "recessive"]))
    return cells, draw(st.sampled_from(called)), effect, kind, n_alts


def recoded(cell, effect, kind):
    copies = sum(int(a) == effect for a in cell.split("/"))
    return {"additive": copies, "dominant": min(copies, 1), "recessive": max(copies - 1, 0)}[kind]


@settings(max_examples=15)
@given(losses(), st.sampled_from(MISSING_RULES))
def test_a_lost_call_changes_a_score_by_what_fills_it_and_nothing_else(loss, missing):
    cells, who, effect, kind, n_alts = loss
    letters = ["A", "G", "C"]
    alt = ",".join(letters[1 : n_alts + 1])
    beside = letters[1] if effect == 0 else "A"
    weight, frequency = 0.75, 0.25
    rows = [
        row("1", 100, letters[effect], beside, weight, effect_type=kind)
        | {"allelefrequency_effect": frequency},
        row("1", 200, "T", "C", 2.5),
    ]

    def scores_of(calls):
        n = len(calls)
        records = [
            Record("1", 100, "A", alt, " ".join(calls)),
            Record("1", 200, "C", "T", " ".join(["0/1"] * n)),
        ]
        with tempfile.TemporaryDirectory() as folder:
            found = run(records, rows, Path(folder), missing=missing)
            assert found is not None
            return found.scores(), found.risk["n_missing_calls"].to_numpy()

    lost = [("./." if i == who else c) for i, c in enumerate(cells)]
    zero = [("0/0" if i == who else c) for i, c in enumerate(cells)]
    before, missing_before = scores_of(cells)
    after, missing_after = scores_of(lost)
    hom_ref, _ = scores_of(zero)
    others = [recoded(c, effect, kind) for c in lost if c != "./."]
    if not others:  # nobody is left: the variant is not used at all
        np.testing.assert_array_equal(after, [2.5] * len(cells))
        return
    carrier, twice = 1 - (1 - frequency) ** 2, frequency**2
    expected = {"additive": 2 * frequency, "dominant": carrier, "recessive": twice}[kind]
    cohort_mean = sum(others) / len(others)
    fill = {"mean": cohort_mean, "reference-mean": expected}.get(missing, 0.0)
    change = weight * (fill - recoded(cells[who], effect, kind))
    assert after[who] - before[who] == pytest.approx(change, abs=1e-12)
    assert list(missing_after - missing_before) == [int(i == who) for i in range(len(cells))]
    as_hom_ref = recoded("0/0", effect, kind)
    if abs(fill - as_hom_ref) > 1e-9:
        assert abs(after[who] - hom_ref[who]) > 1e-9
    called = [i for i, c in enumerate(lost) if c != "./."]
    np.testing.assert_array_equal(after[called], before[called])
    if missing != "mean":
        np.testing.assert_array_equal(np.delete(after, who), np.delete(before, who))


def test_half_calls_and_absent_fields_are_missing(tmp_path):
    records = [Record("1", 100, "A", "G", "./1 0/. . 1/1 0/1:7", format="GT:DP")]
    found = run(records, [row("1", 100, "G", "A", 1.0)], tmp_path, missing="drop")
    assert found is not None
    assert found.risk["n_missing_calls"].to_list() == [1, 1, 1, 0, 0]
    assert found.scores().tolist() == [0, 0, 0, 2, 1]


def test_an_unknown_dosage_of_another_alt_makes_the_reference_allele_missing(tmp_path):
    calls = "0/1:0.5,0 ./.:0.5,. 0/0:0,0"
    records = [Record("1", 99, "C", "T,G", calls, format="GT:DS")]
    found = run(
        records, [row("1", 99, "C", "T", 1), row("1", 99, "T", "C", 4)], tmp_path, dosage_field="DS"
    )
    assert found is not None
    assert found.scores() == pytest.approx([1.5 + 2, 1.75 + 2, 2.0])
    assert found.risk["n_missing_calls"].to_list() == [0, 1, 0]


# ---------------------------------------------------------------- palindromes


PALINDROME = [Record("1", 100, "A", "T", "0/0 0/0 0/0 0/1 0/0 0/0")]  # T at 1/12


@pytest.mark.parametrize(
    ("rule", "frequency", "reason", "first_scores"),
    [
        ("keep", None, "exact", [0, 1]),
        ("drop", 0.1, "ambiguous", [0, 0]),
        ("by-frequency", None, "ambiguous", [0, 0]),
        ("by-frequency", 0.1, "exact", [0, 1]),
        ("by-frequency", 0.9, "flipped_swapped", [2, 1]),
        ("by-frequency", 0.45, "ambiguous", [0, 0]),
    ],
)
@pytest.mark.parametrize("other", ["A", None])
def test_the_strand_of_a_palindrome_follows_the_rule(
    rule, frequency, reason, first_scores, other, tmp_path
):
    records = [*PALINDROME, Record("1", 200, "C", "T", "0/0 0/0 0/0 0/0 0/0 0/0")]
    rows = [
        row("1", 100, "T", other, 1.0, allelefrequency_effect=frequency),
        row("1", 200, "T", "C", 1.0),
    ]
    found = run(records, rows, tmp_path, ambiguous=rule)
    assert found is not None
    assert found.reasons == [reason, "exact"]
    assert found.scores()[2:4].tolist() == first_scores


@pytest.mark.parametrize(
    ("rule", "frequency", "reason", "dosage"),
    [
        ("keep", None, "hom_ref_called", 0),
        ("drop", 0.1, "ambiguous", 0),
        ("by-frequency", None, "ambiguous", 0),
        ("by-frequency", 0.1, "hom_ref_called", 0),
        ("by-frequency", 0.9, "hom_ref_called", 2),
    ],
)
def test_a_palindrome_proved_hom_ref_is_no_less_doubtful(rule, frequency, reason, dosage, tmp_path):
    records = [
        Record("1", 100, "A", ".", "0/0 0/0 0/0"),
        Record("1", 200, "C", "T", "0/0 0/0 0/0"),
    ]
    rows = [
        row("1", 100, "T", "A", 1.0, allelefrequency_effect=frequency),
        row("1", 200, "T", "C", 1.0),
    ]
    found = run(records, rows, tmp_path, ambiguous=rule)
    assert found is not None
    assert found.reasons == [reason, "exact"]
    assert found.scores().tolist() == [dosage] * 3


def test_a_palindrome_of_several_alts_is_never_turned(tmp_path):
    records = [
        Record("1", 100, "A", "T,C", "0/0 0/0 0/2 0/1 0/0 0/0"),
        Record("1", 200, "C", "T", "0/0 0/0 0/0 0/0 0/0 0/0"),
    ]
    rows = [
        row("1", 100, "T", "A", 1.0, allelefrequency_effect=0.9),
        row("1", 200, "T", "C", 1.0, allelefrequency_effect=0.5),
    ]
    found = run(records, rows, tmp_path, ambiguous="by-frequency")
    assert found is not None
    assert found.reasons == ["ambiguous", "exact"]


# ---------------------------------------------------------------- the pieces


def test_filled_dosage_is_the_expectation_at_hardy_weinberg_proportions():
    recode = np.array([ADDITIVE, DOMINANT, RECESSIVE, PRESENT], np.int8)
    two = filled_dosage(recode, np.full(4, 0.3), np.full(4, 2.0))
    one = filled_dosage(recode, np.full(4, 0.3), np.full(4, 1.0))
    assert two == pytest.approx([0.6, 2 * 0.3 * 0.7 + 0.09, 0.09, 1])
    assert one == pytest.approx([0.3, 0.3, 0, 1])


@pytest.mark.parametrize("rule", ["missing", "ambiguous"])
def test_unknown_rules_are_a_value_error(rule, tmp_path):
    records = [Record("1", 100, "A", "G", "0/0 0/1")]
    with pytest.raises(ValueError, match=f"{rule}='guess' is not one of"):
        run(records, [row("1", 100, "G", "A", 1.0)], tmp_path, **{rule: "guess"})


def test_a_refused_row_of_unknown_effect_type_is_no_crash(tmp_path):
    records = [Record("1", 100, "A", "G", "0/0 0/1")]
    rows = [row("1", 100, "G", "A", 1.0), row("1", 200, "G", "A", 1.0, effect_type="codominant")]
    found = run(records, rows, tmp_path)
    assert found is not None
    assert found.reasons == ["exact", "bad_effect_type"]
