import gzip
import math
import subprocess
import zipfile
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from datafiles import shared_data
from hypothesis import given
from hypothesis import strategies as st

from genomed.errors import InputError
from genomed.io.scorefile import read_frequencies, read_models
from genomed.ledger import REASONS

CATALOG = """\
###PGS CATALOG SCORING FILE - see https://www.pgscatalog.org/downloads/ for more
#format_version=2.0
##POLYGENIC SCORE (PGS) INFORMATION
#pgs_id=PGS999999
#trait_reported=Reading
#genome_build=hg19
#weight_type={weight_type}
#HmPOS_build=GRCh38
"""
PLAIN = "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n"


@pytest.fixture
def write(tmp_path):
    def write_text(text: str, name: str = "model.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write_text


def zip_of(content: bytes) -> bytes:
    whole = BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("model.txt", content)
    return whole.getvalue()


def only(path: Path):
    (model,) = read_models(path)
    return model


def refused(path: Path) -> list[str | None]:
    return only(path).variants["refused"].to_list()


# ---------------------------------------------------------------- dialects


def test_a_harmonised_catalog_file_carries_two_builds(write):
    text = CATALOG.format(weight_type="beta") + (
        "rsID\tchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\t"
        "allelefrequency_effect\thm_source\thm_rsID\thm_chr\thm_pos\thm_inferOtherAllele\n"
        "rs1\t1\t100\tA\tG\t0.5\t0.25\tliftover\trs1\t1\t110\t\n"
        "\tchrX\t200\ta\t\t-0.5\t\tENSEMBL\trs2\t\t\tC\n"
        "rs3\t23\t300\tA\t\t1\t\tENSEMBL\trs3\tX\t310\tC/T\n"
    )
    model = only(write(text))
    assert (model.name, model.trait, model.source[-9:]) == ("PGS999999", "Reading", "model.txt")
    assert model.loci["GRCh37"].rows() == [("1", 100), ("X", 200), ("X", 300)]
    assert model.loci["GRCh38"].rows() == [("1", 110), (None, None), ("X", 310)]
    assert model.variants["variant_id"].to_list() == ["rs1", "rs2", "rs3"]
    assert model.variants["effect_allele"].to_list() == ["A", "A", "A"]
    assert model.variants["other_allele"].to_list() == ["G", "C", None]
    assert model.variants["source_line"].to_list() == [10, 11, 12]
    assert model.variants["effect_allele_frequency"].to_list() == [0.25, None, None]
    assert model.variants["refused"].null_count() == 3
    assert model.header["genome_build"] == "hg19"


@pytest.mark.parametrize(
    ("header", "rows", "weights"),
    [
        ("ID A1 WEIGHT", "rs1 A 0.5", {"model": 0.5}),
        ("ID\teffect_allele\tSCORE1\tSCORE2", "rs1\tA\t0.5\t2", {"SCORE1": 0.5, "SCORE2": 2}),
        ("ID effect_allele height bmi", "rs1 A 1 2", {"height": 1, "bmi": 2}),
        ("ID A1 SCORE bmi note", "rs1 A 1 2 x", {"SCORE": 1, "bmi": 2}),
        ("SNP,A1,A2,BETA,SE,P", "rs1,A,G,0.25,0.1,0.9", {"model": 0.25}),
        ('"SNP","A1","BETA"', '"rs1","A",0.25', {"model": 0.25}),
        ("SNP A1 BETA beta_se extra", "rs1 A 0.25 0.1 7", {"model": 0.25}),
        ("  SNP   A1  BETA ", "  rs1   A   0.25 ", {"model": 0.25}),
        ("#ID A1 OR", "rs1 A 2", {"model": math.log(2)}),
        (
            "Id Name Chrom Position A1 A2 A1Frq A1Effect SE PIP",
            "1 rs1 1 5 A G .5 3 0 0",
            {"model": 3},
        ),
    ],
)
def test_weight_columns_are_found_by_name(write, header, rows, weights):
    models = read_models(write(f"{header}\n{rows}\n"))
    assert {m.name: m.variants["effect_weight"][0] for m in models} == pytest.approx(weights)
    assert models[0].variants["variant_id"].to_list() == ["rs1"]
    assert models[0].variants["effect_allele"].to_list() == ["A"]


def test_the_allele_that_is_not_a1_is_the_other_one(write):
    text = "#CHROM\tPOS\tID\tREF\tALT\tA1\tBETA\n" + (
        "1\t5\trs1\tA\tG\tG\t1\n1\t6\trs2\tA\tG\tA\t1\n1\t7\trs3\tA\tG,T\tA\t1\n1\t8\trs4\tA\tG,T\tT\t1\n"
    )
    assert only(write(text)).variants["other_allele"].to_list() == ["A", "G", None, "A"]


def test_a_position_keyed_table_needs_no_id(write):
    model = only(write("CHR POS A1 WEIGHT\nchrM 1e+05 A 1\n"))
    assert model.loci[""].rows() == [("MT", 100_000)]
    assert model.variants["variant_id"].to_list() == [None]


def test_an_id_that_looks_like_a_place_stays_an_id(write):
    model = only(write("ID A1 WEIGHT\n22:17080378:G:A G 0.5\n"))
    assert model.variants["variant_id"].to_list() == ["22:17080378:G:A"]
    assert dict(model.loci) == {}


@pytest.mark.parametrize(
    ("spelt", "build"),
    [("GRCh37", "GRCh37"), ("hg19", "GRCh37"), ("37", "GRCh37"), ("b37", "GRCh37"), ("NR", ""),
     ("hg38", "GRCh38"), ("GRCh38.p14", "GRCh38"), ("hg18", "NCBI36"), ("NCBI36", "NCBI36")],
)  # fmt: skip
def test_a_build_has_one_spelling(write, spelt, build):
    model = only(write(f"#genome_build={spelt}\n{PLAIN}1\t5\tA\tG\t1\n"))
    assert list(model.loci) == [build]


def test_the_file_name_tells_the_build_where_the_file_does_not(write):
    model = only(write(f"{PLAIN}1\t5\tA\tG\t1\n", "PGS000009_hmPOS_GRCh38.txt"))
    assert (model.name, list(model.loci)) == ("PGS000009", ["GRCh38"])


def test_a_long_table_is_split_by_accession(write):
    text = (
        "rsID\teffect_allele\teffect_weight\taccession\nrs1\tA\t1\tx\nrs1\tA\t2\ty\nrs2\tC\t3\tx\n"
    )
    models = read_models(write(text))
    assert [(m.name, m.variants["effect_weight"].to_list()) for m in models] == [
        ("x", [1, 3]),
        ("y", [2]),
    ]
    assert [m.variants["refused"].null_count() for m in models] == [2, 1]


def test_the_first_catalog_format_is_read(write):
    text = "### PGS CATALOG\n# PGS ID = PGS000002\n# Reported Trait = Height\n" + (
        "# Original Genome Build = hg19\nrsID\tchr_name\tchr_position\teffect_allele\t"
        "reference_allele\teffect_weight\nrs1\t1\t5\tA\tG\t1\n"
    )
    model = only(write(text))
    assert (model.name, model.trait, list(model.loci)) == ("PGS000002", "Height", ["GRCh37"])
    assert model.variants["other_allele"].to_list() == ["G"]


def test_a_name_given_overrides_the_files(write):
    one = write("ID A1 WEIGHT\nrs1 A 0.5\n")
    assert [m.name for m in read_models(one, name="mine")] == ["mine"]
    two = write("ID A1 SCORE1 SCORE2\nrs1 A 1 2\n")
    assert [m.name for m in read_models(two, name="mine")] == ["mine.SCORE1", "mine.SCORE2"]


# ---------------------------------------------------------------- the way it is packed

TABLE = "ID\tA1\tWEIGHT\nrs1\tA\t0.5\nrs2\tC\t-1e-3\n"


def packings() -> dict[str, bytes]:
    import zstandard

    plain = TABLE.encode()
    return {
        "plain": plain,
        "gzip": gzip.compress(plain, mtime=0),
        "gzip in two members": gzip.compress(plain[:20], mtime=0)
        + gzip.compress(plain[20:], mtime=0),
        "zstd": zstandard.compress(plain),
        "zstd in two frames": zstandard.compress(plain[:20]) + zstandard.compress(plain[20:]),
        "CRLF": plain.replace(b"\n", b"\r\n"),
        "CR": plain.replace(b"\n", b"\r"),
        "byte order mark": b"\xef\xbb\xbf" + plain,
        "no final newline": plain[:-1],
        "empty lines at the end": plain + b"\n\n",
        "bgzip": subprocess.run(
            ["bgzip", "-c"], input=plain, capture_output=True, check=True
        ).stdout
        if _has_bgzip()
        else plain,
    }


def _has_bgzip() -> bool:
    from shutil import which

    return which("bgzip") is not None


@pytest.mark.parametrize("packing", sorted(packings()))
def test_packing_is_told_by_content_not_by_name(tmp_path, packing):
    path = tmp_path / "model.dat"
    path.write_bytes(packings()[packing])
    variants = only(path).variants
    assert variants["effect_weight"].to_list() == [0.5, -0.001]
    assert variants["source_line"].to_list() == [2, 3]


@pytest.mark.parametrize("packing", ["gzip", "zstd", "bgzip"])
@pytest.mark.parametrize("missing", [1, 8, 20, 28])
def test_a_truncated_stream_is_an_error(tmp_path, packing, missing):
    if packing == "bgzip" and not _has_bgzip():
        pytest.skip("bgzip is not installed")
    path = tmp_path / "model.gz"
    path.write_bytes(packings()[packing][:-missing])
    with pytest.raises(InputError, match=r"model\.gz: .*(truncated|damaged)"):
        read_models(path)


def test_line_numbers_count_empty_lines(write):
    model = only(write("\n#genome_build=37\n\nID A1 WEIGHT\n\nrs1 A 1\n\n\nrs2 C 2\n"))
    assert model.variants["source_line"].to_list() == [6, 9]


# ---------------------------------------------------------------- what a weight is


def test_odds_ratios_become_logs(write):
    rows = "rsID\teffect_allele\teffect_weight\nrs1\tA\t2\nrs2\tA\t0.5\nrs3\tA\t0\nrs4\tA\t1\n"
    model = only(write(CATALOG.format(weight_type="OR") + rows))
    assert model.variants["effect_weight"].to_list() == [
        pytest.approx(math.log(2)), pytest.approx(-math.log(2)), None, 0,
    ]  # fmt: skip
    assert model.variants["refused"].to_list() == [None, None, "bad_weight", None]


def test_logs_under_a_header_of_odds_ratios_are_not_logged_again(write):
    rows = "rsID\teffect_allele\teffect_weight\tOR\nrs1\tA\t{}\t2\nrs2\tA\t{}\t0.5\n"
    header = CATALOG.format(weight_type="OR")
    log, ratio = rows.format(0.6931, -0.6931), rows.format(2, 0.5)
    for text in (log, ratio):
        weights = only(write(header + text)).variants["effect_weight"].to_list()
        assert weights == pytest.approx([math.log(2), -math.log(2)], rel=1e-3)


def test_negative_odds_ratios_all_over_are_refused_with_the_remedy(write):
    rows = "rsID\teffect_allele\teffect_weight\nrs1\tA\t-2\nrs2\tA\t-0.5\nrs3\tA\t0.1\n"
    with pytest.raises(InputError, match=r"2 of 3 weights are not above 0.*#weight_type=log\(HR\)"):
        read_models(write(CATALOG.format(weight_type="HR") + rows))


def test_the_scale_may_differ_row_by_row(write):
    rows = "rsID\teffect_allele\teffect_weight\tweight_type\nrs1\tA\t2\tOR\nrs2\tA\t2\tbeta\n"
    weights = only(write(rows)).variants["effect_weight"].to_list()
    assert weights == pytest.approx([math.log(2), 2])


def test_a_column_of_odds_ratios_is_logged_whatever_else_is_said(write):
    rows = "rsID\teffect_allele\tOR\tweight_type\nrs1\tA\t2\t\nrs2\tA\t4\tbeta\n"
    weights = only(write(rows)).variants["effect_weight"].to_list()
    assert weights == pytest.approx([math.log(2), math.log(4)])


@pytest.mark.parametrize("weight", ["NaN", "inf", "-inf", "high", "", "NA", "1,5", "0x1"])
def test_a_weight_that_is_no_finite_number_refuses_its_row_only(write, weight):
    path = write(f"{PLAIN}1\t5\tA\tG\t{weight}\n1\t6\tA\tG\t1\n")
    assert refused(path) == ["bad_weight", None]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_weights_are_read_to_the_last_bit(tmp_path_factory, weight):
    path = tmp_path_factory.mktemp("weights") / "model.txt"
    path.write_text(f"ID A1 WEIGHT\nrs1 A {weight!r}\n")
    assert only(path).variants["effect_weight"][0] == weight


def test_effect_types_come_from_either_layout(write):
    header = "rsID\teffect_allele\teffect_weight\t"
    flags = (
        header
        + "is_dominant\tis_recessive\n"
        + ("a\tA\t1\tTRUE\tFALSE\nb\tA\t1\tfalse\tTrue\nc\tA\t1\t\t\nd\tA\t1\t1\tyes\n")
    )
    model = only(write(flags))
    assert model.variants["effect_type"].to_list()[:3] == ["dominant", "recessive", "additive"]
    assert model.variants["refused"].to_list() == [None, None, None, "bad_effect_type"]
    words = header + "effect_type\na\tA\t1\tDominant\nb\tA\t1\t\nc\tA\t1\tmaternal\n"
    model = only(write(words))
    assert model.variants["effect_type"].to_list()[:2] == ["dominant", "additive"]
    assert model.variants["refused"].to_list() == [None, None, "bad_effect_type"]


def test_weights_per_dosage_stand_for_themselves(write):
    text = "rsID\teffect_allele\tdosage_0_weight\tdosage_1_weight\tdosage_2_weight\n" + (
        "a\tA\t0\t0.5\t2\nb\tA\t0\t\t2\n"
    )
    variants = only(write(text)).variants
    assert variants["effect_type"].to_list() == ["dosage", "dosage"]
    assert variants.row(0, named=True)["dosage_1_weight"] == 0.5
    assert variants["effect_weight"].to_list() == [None, None]
    assert variants["refused"].to_list() == [None, "bad_weight"]


# ---------------------------------------------------------------- rows that are refused


@pytest.mark.parametrize(
    ("columns", "fields", "reason"),
    [
        ("is_haplotype", "True", "haplotype"),
        ("is_diplotype", "TRUE", "haplotype"),
        ("is_interaction", "1", "interaction"),
        ("inclusion_criteria", "only women", "conditional"),
        ("is_haplotype", "False", None),
        ("inclusion_criteria", "", None),
    ],
)
def test_rows_that_are_not_one_variant_are_refused(write, columns, fields, reason):
    text = f"rsID\teffect_allele\teffect_weight\t{columns}\nrs1\tA\t1\t{fields}\nrs2\tA\t1\t\n"
    assert refused(write(text)) == [reason, None]


@pytest.mark.parametrize(
    ("effect", "other", "reason"),
    [
        ("a", "g", None),
        ("ACGT", "A", None),
        ("A", "", None),
        ("", "G", "no_effect_allele"),
        (".", "G", "no_effect_allele"),
        ("P", "N", "bad_alleles"),
        ("HLA-A*02:01", "", "bad_alleles"),
        ("A", "C/G", "bad_alleles"),
        ("A", "A", "bad_alleles"),
        ("-", "A", "bad_alleles"),
        ("<DEL>", "A", "bad_alleles"),
    ],
)
def test_alleles_are_strings_of_bases(write, effect, other, reason):
    path = write(f"{PLAIN}1\t5\t{effect}\t{other}\t1\n1\t6\tA\tG\t1\n")
    assert refused(path) == [reason, None]


def test_a_row_without_place_and_id_is_refused(write):
    header = "rsID\tchr_name\tchr_position\teffect_allele\teffect_weight\n"
    path = write(header + "rs1\t1\t\tA\t1\n\t1\t\tA\t1\n\t1\t0\tA\t1\n\t0\t5\tA\t1\n\t1\t7\tA\t1\n")
    assert refused(path) == [None, "no_position", "no_position", "no_position", None]


def test_a_second_row_of_the_same_variant_is_refused(write):
    rows = ["1\t5\tA\tG\t1", "chr1\t5\ta\tg\t2", "1\t5\tG\tA\t3", "1\t5\tA\tC\t4", "2\t5\tA\tG\t5"]
    assert refused(write(PLAIN + "\n".join(rows))) == [None, "duplicate_in_model", None, None, None]
    assert refused(write("ID A1 WEIGHT\nrs1 A 1\nrs1 A 1\nrs1 C 1\nrs2 A 1\n")) == [
        None, "duplicate_in_model", None, None,
    ]  # fmt: skip


def test_a_refused_row_does_not_make_the_next_one_a_duplicate(write):
    assert refused(write(f"{PLAIN}1\t5\tA\tG\tx\n1\t5\tA\tG\t2\n1\t5\tA\tG\t3\n")) == [
        "bad_weight", None, "duplicate_in_model",
    ]  # fmt: skip


def test_every_reason_is_in_the_ledger(write):
    text = "ID A1 A2 WEIGHT is_haplotype effect_type\n" + (
        "a A G x F .\nb A G 1 T .\nc A . 1 F odd\nd Z G 1 F .\ne . G 1 F .\nf A G 1 F .\n"
        "f A G 1 F .\n"
    )
    reasons = set(refused(write(text))) - {None}
    assert len(reasons) == 6
    assert reasons <= set(REASONS)


rows = st.lists(
    st.tuples(
        st.sampled_from(["", "1", "2"]),
        st.sampled_from(["", "5", "6"]),
        st.sampled_from(["", "rs1", "rs2"]),
        st.sampled_from(["A", "C", "", "I"]),
        st.sampled_from(["", "G"]),
        st.sampled_from(["1", "x", "inf"]),
        st.sampled_from(["", "recessive", "odd"]),
    ),
    min_size=1,
    max_size=12,
)


def naive_reasons(rows):
    """The rules, row by row."""
    seen = set()
    for contig, position, name, effect, other, weight, kind in rows:
        place = (contig, position) if contig and position else name
        key = (place, effect, other, kind or "additive")
        if not effect:
            yield "no_effect_allele"
        elif effect == "I":
            yield "bad_alleles"
        elif kind == "odd":
            yield "bad_effect_type"
        elif not place:
            yield "no_position"
        elif weight != "1":
            yield "bad_weight"
        elif key in seen:
            yield "duplicate_in_model"
        else:
            seen.add(key)
            yield None


@given(rows)
def test_refusals_match_the_definition(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "model.txt"
    header = (
        "chr_name\tchr_position\trsID\teffect_allele\tother_allele\teffect_weight\teffect_type\n"
    )
    path.write_text(header + "\n".join("\t".join(row) for row in rows))
    expected = list(naive_reasons(rows))
    if None in expected:
        assert refused(path) == expected
    else:
        with pytest.raises(InputError, match="none of"):
            read_models(path)


# ---------------------------------------------------------------- files that are refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b" \n \n", "the file is empty"),
        (b"#genome_build=GRCh37\n", "only a header"),
        (b"ID A1 WEIGHT\n", "there are no rows"),
        (b"ID A1 WEIGHT", "there are no rows"),
        (b"ID\tWEIGHT\nrs1\t1\n", r"line 1: no column of effect alleles among: ID, WEIGHT"),
        (b"A1\tWEIGHT\nA\t1\n", r"line 1: no way to place a variant among: A1, WEIGHT"),
        (b"#x=1\nID\tA1\tP\nrs1\tA\t1\n", r"line 2: no column of weights among: ID, A1, P"),
        (b"rs1 A 0.5\nrs2 C 0.5\n", r"line 1: no column of effect alleles.*'ID A1 WEIGHT'"),
        (b"ID A1 ID\nrs1 A 0.5\n", r"line 1: the column name 'ID' stands there twice"),
        (b"ID\tA1\tWEIGHT\nrs1\tA\t1\nrs2\tA\n", r"line 3: 2 fields where the header names 3"),
        (b"ID\tA1\tWEIGHT\nrs1\tA\t1\t1\nrs2\tA\n", r"line 2: 4 fields where the header names 3"),
        (b"ID A1 WEIGHT\nrs1 A x\n", r"none of 1 rows can be used.*line 2\) because the weight"),
        (b"ID A1 WEIGHT\nrs1 A \xff\n", r"line 2: byte 0xff is not UTF-8"),
        (b"\x00\x01\x02ID A1 WEIGHT\n", r"line 1: holds binary data"),
        ("ID A1 WEIGHT\nrs1 A 1\n".encode("utf-16"), "is UTF-16"),
        (b"PK\x03\x04zipzip", "is a zip archive without its end; copy it again"),
        (zip_of(b"rsID\n"), "is a zip archive; unpack it"),
        (b"##fileformat=VCFv4.2\n#CHROM\tPOS\n", "is a VCF"),
        (b"MarkerName Allele1 Allele2 Effect\nrs1 A C 1\n", "METAL and SAIGE differ"),
        (b'ID,A1,WEIGHT\n"rs1","A"\n', r"line 2: 2 fields where the header names 3"),
    ],
)
def test_a_broken_file_is_refused_with_line_and_remedy(tmp_path, content, message):
    path = tmp_path / "model.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_models(path)
    assert str(caught.value).startswith(str(path))


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_models(tmp_path / "absent.txt")
    with pytest.raises(InputError, match="is a directory"):
        read_models(tmp_path)


@pytest.mark.parametrize("n", range(2, 18))
def test_a_gzip_file_cut_in_its_header_is_refused(tmp_path, n):
    (tmp_path / "model").write_bytes(gzip.compress(b"some text")[:n])
    with pytest.raises(InputError, match="truncated or damaged"):
        read_models(tmp_path / "model")


@given(st.binary(max_size=200))
def test_no_bytes_end_in_a_traceback(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "model"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_models(path)


@given(st.data())
def test_no_damage_ends_in_a_traceback(tmp_path_factory, data):
    content = bytearray((CATALOG + PLAIN + "1\t5\tA\tG\t1\n2\t6\tC\tT\t0.5\n").encode())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damage") / "model"
    path.write_bytes(content)
    try:
        models = read_models(path)
    except InputError:
        return
    assert all(m.variants["refused"].null_count() for m in models)


# ---------------------------------------------------------------- real files


@pytest.mark.parametrize(
    ("relative", "name", "n_variants", "n_refused", "builds"),
    [
        ("pgs_catalog/PGS000001.txt.gz", "PGS000001", 77, 0, []),
        ("pgs_catalog/PGS000001_hmPOS_GRCh37.txt.gz", "PGS000001", 77, 0, ["GRCh37"]),
        ("pgs_catalog/PGS000001_hmPOS_GRCh38.txt.gz", "PGS000001", 77, 0, ["GRCh38"]),
        ("pgs_catalog/PGS001229_hmPOS_GRCh38.txt.gz", "PGS001229", 51209, 26, ["GRCh38"]),
        ("pgsc_calc_cineca/PGS001229_22.txt", "PGS001229", 835, 0, ["GRCh37"]),
        ("pgsc_calc_cineca/scorefile.txt", "scorefile", 835, 0, ["GRCh37"]),
        ("polypred_1kg_eur/bolt.betas.gz", "bolt.betas", 8929, 0, [""]),
        ("polypred_1kg_eur/bolt.sumstats.txt.gz", "bolt.sumstats", 82448, 0, [""]),
        ("prscs/sumstats.txt", "sumstats", 1000, 0, []),
    ],
)
def test_real_files_are_read_whole(relative, name, n_variants, n_refused, builds):
    model = only(shared_data(f"prs/{relative}"))
    assert (model.name, len(model.variants)) == (name, n_variants)
    assert n_variants - model.variants["refused"].null_count() == n_refused
    assert list(model.loci) == builds


def test_the_breast_cancer_score_uses_the_weights_as_published():
    model = only(shared_data("prs/pgs_catalog/PGS000001_hmPOS_GRCh38.txt.gz"))
    first = model.variants.row(0, named=True)
    assert (first["variant_id"], first["effect_allele"]) == ("rs78540526", "T")
    assert first["effect_weight"] == 0.16220387987485377  # the log of its OR column, 1.1761
    assert model.loci["GRCh38"].row(0) == ("11", 69516650)
    assert model.trait == "Breast cancer"


def test_several_scores_in_one_file_are_several_models():
    models = read_models(shared_data("prs/pgsc_calc_cineca/multiscore.txt"))
    assert [m.name for m in models] == ["PGS001229_22", "second_score"]
    dominant = only(shared_data("prs/pgsc_calc_cineca/scorefile_dominant_and_recessive.txt"))
    counts = dict(dominant.variants["effect_type"].value_counts().iter_rows())
    assert counts == {"additive": 833, "dominant": 1, "recessive": 1}


# ---------------------------------------------------------------- frequencies


def test_plink2_frequencies_give_one_row_per_alt(write):
    text = "#CHROM\tID\tREF\tALT\tPROVISIONAL_REF?\tALT_FREQS\tOBS_CT\n" + (
        "chr1\trs1\tA\tG\tN\t0.25\t10\n1\trs2\tC\tT,G\tN\t0.1,0.2\t10\n1\trs3\tC\tT\tN\tnan\t0\n"
    )
    assert read_frequencies(write(text)).rows() == [
        ("1", None, "rs1", "G", "A", 0.25),
        ("1", None, "rs2", "T", "C", 0.1),
        ("1", None, "rs2", "G", "C", 0.2),
    ]


def test_plink_1_frequencies_are_of_a1(write):
    text = (
        " CHR  SNP   A1   A2   MAF  NCHROBS\n  23  rs1    G    A   0.1       20\n 1 rs2 T C NA 0\n"
    )
    assert read_frequencies(write(text)).rows() == [("X", None, "rs1", "G", "A", 0.1)]


def test_a_plain_table_of_frequencies_has_places(write):
    text = "contig,position,effect_allele,other_allele,frequency\nchr2,5,a,g,0.5\n"
    assert read_frequencies(write(text)).rows() == [("2", 5, None, "A", "G", 0.5)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ID A1 WEIGHT\nrs1 A 1\n", "no allele frequencies among the columns ID, A1, WEIGHT"),
        (
            "ID ALT ALT_FREQS\nrs1 A 1.5\n",
            "line 2: an allele frequency is not a number from 0 to 1",
        ),
        ("ID ALT ALT_FREQS\nrs1 A x\n", "line 2: an allele frequency is not a number from 0 to 1"),
        ("ID ALT ALT_FREQS\nrs1 A,C 0.5\n", "line 2: not as many frequencies as alleles"),
        ("ID ALT ALT_FREQS\nrs1 A nan\n", "no row gives an allele and its frequency"),
    ],
)
def test_broken_frequencies_are_refused(write, text, message):
    with pytest.raises(InputError, match=message):
        read_frequencies(write(text))


def test_frequencies_agree_with_plink2(tmp_path):
    from shutil import which

    if which("plink2") is None:
        pytest.skip("plink2 is not installed")
    prefix = shared_data("prs/pgsc_calc_cineca/cineca_synthetic_subset.pgen").with_suffix("")
    command = ["plink2", "--pfile", str(prefix), "--freq", "--out", str(tmp_path / "f")]
    subprocess.run(command, check=True, capture_output=True)
    frame = read_frequencies(tmp_path / "f.afreq")
    assert frame.schema["frequency"] == pl.Float64
    assert len(frame) == 829
    assert frame["frequency"].is_between(0, 1).all()
