"""Traits: what a column is told to be, and the tables that are refused."""

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from datafiles import shared_data
from hypothesis import given
from hypothesis import strategies as st

from genomed.errors import InputError, UnknownNameError
from genomed.io.traits import SurvivalColumns, check_trait, is_missing_code, read_traits
from genomed.settings import TraitSettings

SMALL = TraitSettings(min_per_fold=0, few=0)


def written(folder: Path, text: str, name: str = "traits.tsv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def one(folder: Path, cells: list[str], kind: str | None = None, **options):
    """The trait T of samples s0, s1 and so on, and the warnings."""
    text = "IID\tT\n" + "".join(f"s{i}\t{cell}\n" for i, cell in enumerate(cells))
    samples = [f"s{i}" for i in range(len(cells))]
    kinds = {"T": kind} if kind else None
    traits = read_traits(written(folder, text), samples, kinds=kinds, settings=SMALL, **options)
    return traits.traits[0], traits.warnings


def values(trait) -> list[float | None]:
    return [None if math.isnan(x) else x for x in trait.value]


def test_the_phenotypes_of_regenie_are_cases_and_numbers():
    samples = [str(i) for i in range(1, 501)]
    numbers = read_traits(shared_data("gwas/regenie/phenotype.txt"), samples)
    assert [(t.name, t.kind) for t in numbers.traits] == [
        ("Y1", "quantitative"),
        ("Y2", "quantitative"),
    ]
    binary = read_traits(shared_data("gwas/regenie/phenotype_bin_wNA.txt"), samples)
    assert [int(t.observed.sum()) for t in binary.traits] == [450, 500]
    psam = read_traits(shared_data("gwas/regenie/example.psam"), samples)
    assert [t.name for t in psam.traits] == ["PHENO1"]
    assert psam.traits[0].value[0] == -0.426776


def test_a_table_that_calls_its_people_samples_is_read():
    path = shared_data("cohort/variantspark_hipster/hipster_labels_covariates.txt")
    traits = read_traits(path, ["HG00097", "HG00096"], ["label"], settings=SMALL)
    assert traits.traits[0].value.tolist() == [1.0, 0.0]
    assert "2502 of 2504 samples in it are not in the store" in traits.warnings[0]


def test_the_order_is_the_stores_and_absent_people_are_missing(tmp_path):
    path = written(tmp_path, "sample\theight\nb\t2.5\na\t1\nx\t9\n")
    traits = read_traits(path, ["a", "z", "b"], settings=SMALL)
    assert values(traits.traits[0]) == [1.0, None, 2.5]
    assert traits.found.tolist() == [True, False, True]
    assert any("1 of 3 samples in it are not in the store (x)" in w for w in traits.warnings)
    assert any("1 of 3 samples of the store are not in it (z)" in w for w in traits.warnings)


def test_names_that_are_numbers_stay_text(tmp_path):
    path = written(tmp_path, "IID\tT\n001\t1.5\n1\t2.5\n")
    assert read_traits(path, ["1", "001"], settings=SMALL).traits[0].value.tolist() == [2.5, 1.5]


def test_zeros_that_a_spreadsheet_lost_are_hinted_at(tmp_path):
    path = written(tmp_path, "IID\tT\n1\t1.5\n2\t2.5\n")
    with pytest.raises(InputError, match=r"names nobody of the store .* leading zeros"):
        read_traits(path, ["001", "002"])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["0", "1", "NA", "1"], [0, 1, None, 1]),
        (["1", "2", "-9", "2"], [0, 1, None, 1]),
        (["1.0", "2.0", "", "2"], [0, 1, None, 1]),
        (["1", "2", "0", "2"], [0, 1, None, 1]),
        (["control", "Case", "na", "CASE"], [0, 1, None, 1]),
        (["no", "yes", ".", "Yes"], [0, 1, None, 1]),
        (["false", "TRUE", "-9", "True"], [0, 1, None, 1]),
        (["unaffected", "affected", "NaN", "affected"], [0, 1, None, 1]),
    ],
)
def test_cases_and_controls_are_known_in_every_common_coding(tmp_path, cells, expected):
    trait, _ = one(tmp_path, cells)
    assert trait.kind == "binary"
    assert values(trait) == expected
    assert trait.n_cases == 2


def test_zero_one_and_two_are_read_as_plink_does_and_that_is_said(tmp_path):
    _, warnings = one(tmp_path, ["0", "1", "2", "1"])
    assert "0 for missing (1 samples)" in warnings[0]
    amounts, warnings = one(tmp_path, ["0", "1", "2", "1"], kind="quantitative")
    assert values(amounts) == [0, 1, 2, 1]
    assert not warnings


def test_a_minus_nine_among_heights_is_missing(tmp_path):
    trait, warnings = one(tmp_path, ["170.5", "-9", "181", "165"])
    assert values(trait) == [170.5, None, 181, 165]
    assert not warnings


def test_a_minus_nine_that_may_be_a_measurement_is_warned_of(tmp_path):
    trait, warnings = one(tmp_path, ["-20", "-9", "10", "3"])
    assert values(trait) == [-20, None, 10, 3]
    assert "the others make it a possible value" in warnings[0]
    settings = TraitSettings(missing_code=None, min_per_fold=0)
    path = tmp_path / "traits.tsv"
    kept = read_traits(path, ["s0", "s1", "s2", "s3"], settings=settings)
    assert kept.traits[0].value.tolist() == [-20, -9, 10, 3]


def test_a_code_beyond_five_standard_deviations_is_no_measurement():
    assert is_missing_code(np.array([-0.5, 0.5, 0.1]), -9)
    assert not is_missing_code(np.array([-5.0, 5.0]), -9)


def test_several_traits_have_their_own_missing_labels(tmp_path):
    path = written(tmp_path, "IID,A,B\na,1,NA\nb,NA,2.5\nc,0,3.5\n", "traits.csv")
    first, second = read_traits(path, ["a", "b", "c"], settings=SMALL).traits
    assert values(first) == [1, None, 0]
    assert values(second) == [None, 2.5, 3.5]


def test_a_gzipped_table_is_read(tmp_path):
    path = tmp_path / "traits.txt.gz"
    path.write_bytes(gzip.compress(b"IID T\na 1.5\nb 2.5\n"))
    assert read_traits(path, ["b", "a"], settings=SMALL).traits[0].value.tolist() == [2.5, 1.5]


@pytest.mark.parametrize("name", ["pheno.txt", "pheno.fam"])
def test_plinks_files_without_a_header_are_read(tmp_path, name):
    rows = ["f1 a 0 0 1 2", "f2 b 0 0 2 1", "f3 c 0 0 2 2"]
    if name == "pheno.txt":
        rows = [" ".join(row.split()[:2] + row.split()[5:]) for row in rows]
    path = written(tmp_path, "\n".join(rows), name)
    trait = read_traits(path, ["c", "b", "a"], settings=SMALL).traits[0]
    assert (trait.name, values(trait)) == ("PHENO1", [1, 0, 1])


def test_families_and_names_joined_as_in_a_vcf_of_plink_are_found(tmp_path):
    path = written(tmp_path, "#FID\tIID\tT\nf1\t1\t1.5\nf2\t1\t2.5\n")
    trait = read_traits(path, ["f2_1", "f1_1"], settings=SMALL).traits[0]
    assert trait.value.tolist() == [2.5, 1.5]


def test_a_time_to_an_event_has_three_columns(tmp_path):
    path = written(
        tmp_path,
        "IID\tyears\tdied\tjoined\na\t10\t1\t2\nb\t5.5\t0\t0\nc\tNA\tNA\tNA\nd\t7\t1\tNA\n",
    )
    columns = {"death": SurvivalColumns("years", "died", "joined")}
    traits = read_traits(path, list("abcd"), ["death"], survival=columns, settings=SMALL)
    trait = traits.traits[0]
    assert trait.kind == "survival"
    assert values(trait) == [1, 0, None, None]
    assert trait.time[:2].tolist() == [10, 5.5]
    assert trait.entry[:2].tolist() == [2, 0]
    assert np.isnan(trait.time[2:]).all()
    assert trait.n_cases == 1
    assert "1 samples have only a part of years, died, joined" in traits.warnings[-1]
    assert traits.columns == {"years", "died", "joined"}


def test_columns_called_time_and_event_are_one_trait(tmp_path):
    path = written(
        tmp_path, "IID\tcad_time\tcad_event\tbmi\na\t1\tyes\t20\nb\t2\tno\t30\nc\t3\tyes\t9\n"
    )
    for names in ([], ["cad", "bmi"]):
        cad, bmi = read_traits(path, list("abc"), names, settings=SMALL).traits
        assert (cad.name, cad.kind, values(cad), cad.entry) == ("cad", "survival", [1, 0, 1], None)
        assert (bmi.name, bmi.kind) == ("bmi", "quantitative")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("-1\t1\t0", r"line 3: the time -1 in column t is negative"),
        ("5\t2\t0", r"line 3: 2 in column e is neither 0 \(no event\) nor 1"),
        ("5\t1\t5", r"line 3: observation ends at 5, not after it began"),
        ("long\t1\t0", r"line 3: 'long' in column t is not a number"),
        ("inf\t1\t0", r"line 3: 'inf' in column t is not a finite number"),
    ],
)
def test_impossible_times_are_named_by_line(tmp_path, row, message):
    path = written(tmp_path, f"IID\tt\te\tbegin\na\t3\t1\t0\nb\t{row}\nc\t4\t0\t0\n")
    survival = {"T": SurvivalColumns("t", "e", "begin")}
    with pytest.raises(InputError, match=message):
        read_traits(path, list("abc"), ["T"], survival=survival, settings=SMALL)


@pytest.mark.parametrize(
    ("cells", "kind", "message"),
    [
        (["1.5", "tall", "3"], None, r"line 3: 'tall' in column T is neither a number nor a word"),
        (["1.5", "1,7", "3"], None, r"line 3: '1,7' in column T is neither"),
        (["case", "maybe", "control"], None, r"line 3: 'maybe' in column T is neither"),
        (["1.5", "inf", "3"], None, r"line 3: 'inf' in column T is not a finite number"),
        (
            ["1.5", "1e200", "3"],
            None,
            r"line 3: '1e200' in column T is not a finite number below 1e",
        ),
        (["1.5", "1e39", "3"], None, r"line 3: '1e39' in column T is not a finite number below 1e"),
        (["1e-60", "3e-60", "2e-60"], None, r"T varies by less than 1e-30; give it in a unit"),
        (["0", "3", "1"], "binary", r"line 3: 3 in column T is neither 0 nor 1"),
        (["1", "1", "1"], None, r"T has one class only, no controls among 3 samples"),
        (["2", "2", "NA"], None, r"T has one class only, no controls among 2 samples"),
        (["case", "case", "case"], None, r"T has one class only, no controls"),
        (["7.5", "7.5", "7.5"], None, r"T is 7.5 for all 3 samples"),
        (["NA", "-9", ""], None, r"T is missing for all 3 samples"),
        (["1.5", "1.7", "3"], "survival", r"name its columns of times and events"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused(tmp_path, cells, kind, message):
    with pytest.raises(InputError, match=message):
        one(tmp_path, cells, kind)


def test_too_few_cases_for_the_folds_are_refused(tmp_path):
    rows = "".join(f"s{i}\t{int(i < 19)}\n" for i in range(200))
    path = written(tmp_path, "IID\tT\n" + rows)
    samples = [f"s{i}" for i in range(200)]
    with pytest.raises(InputError, match=r"T has 19 cases to be learned from, and 20 are needed"):
        read_traits(path, samples)
    settings = TraitSettings(min_per_fold=3)
    few = read_traits(path, samples, settings=settings)
    assert not few.warnings  # who is learned from is not known yet
    told = check_trait(path, few.traits[0], few.found, settings)
    assert "only 19 cases and 181 controls" in told[0]


def test_a_trait_is_judged_by_those_who_are_learned_from(tmp_path):
    trait, _ = one(tmp_path, ["0", "1", "1", "0", "1"])
    path = tmp_path / "traits.tsv"
    assert check_trait(path, trait, np.ones(5, np.bool_), SMALL) == []
    with pytest.raises(InputError, match=r"no controls among 3 samples to be learned from"):
        check_trait(path, trait, trait.value == 1, SMALL)
    with pytest.raises(InputError, match=r"missing for all 0 samples"):
        check_trait(path, trait, np.zeros(5, np.bool_), SMALL)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("IID\tT\na\t1\nb\t2\na\t3\n", r"line 4: sample 'a' was already on line 2"),
        ("IID\tT\nx\t1\ny\t2\n", r"names nobody of the store \('x' there, 'a' in the store\)"),
        ("IID\tT\na\t1\n\t2\n", r"line 3: has no sample name"),
        ("height\tT\n1.5\t1\n1.7\t2\n", r"line 1: none of the columns height, T names the samples"),
        ("IID;T\na;1\n", r"names the samples; separate columns by tabs or commas"),
        ("IID\tT\na\t1\nb\n", r"line 3: 1 fields where the header names 2"),
        ("IID\na\nb\n", r"has no column beside the samples' names"),
        ("", r"the file is empty"),
    ],
)
def test_tables_that_do_not_fit_are_refused_with_a_remedy(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_traits(written(tmp_path, text), ["a", "b"], settings=SMALL)


def test_a_trait_that_is_not_there_is_told_with_the_columns(tmp_path):
    path = written(tmp_path, "FID\tIID\tbmi\nf\ta\t1\n")
    with pytest.raises(UnknownNameError, match=r"no column 'BMI'; its columns: bmi"):
        read_traits(path, ["a"], ["BMI"])
    with pytest.raises(UnknownNameError, match=r"bmi: no kind called 'number'"):
        read_traits(path, ["a"], kinds={"bmi": "number"})


numbers = st.one_of(st.none(), st.floats(-1e12, 1e12).filter(lambda x: x != -9))


@given(cells=st.lists(numbers, min_size=2, max_size=20), seed=st.integers(0, 99))
def test_numbers_come_back_as_written_in_any_order(tmp_path_factory, cells, seed):
    known = {x for x in cells if x is not None}
    if not known or max(known) - min(known) < 1e-20:  # refused: a trait that does not vary
        return
    order = np.random.default_rng(seed).permutation(len(cells))
    rows = [f"s{i}\t{'NA' if cells[i] is None else repr(cells[i])}" for i in order]
    path = written(tmp_path_factory.mktemp("t"), "sample\tT\n" + "\n".join(rows))
    samples = [f"s{i}" for i in range(len(cells))]
    settings = TraitSettings(min_per_fold=0)
    trait = read_traits(path, samples, kinds={"T": "quantitative"}, settings=settings).traits[0]
    assert values(trait) == cells
