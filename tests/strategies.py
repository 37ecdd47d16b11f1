"""Hypothesis strategies: genotypes, regions, VCF text whole and broken, and how to compress it.

Section numbers are those of the VCF 4.3 specification.
"""

import random
import struct
import zlib

from hypothesis import strategies as st

from genomed.regions import Region

CONTIGS = ["1", "2", "chr2", "10", "X", "chrX", "Y", "MT", "chrM", "GL000207.1", "HLA-A*01:01"]
SYMBOLIC = ["<DEL>", "<INS>", "<DUP:TANDEM>", "<CNV>", "<NON_REF>", "<*>"]
BLOCK_ALTS = ["<NON_REF>", "<*>", "."]  # reference blocks, and records without ALT
ODD_NAMES = [
    "1000",
    "NA12878",
    "a b",
    "日本",
    "Zoë",
    "<b>bold</b>",
    "<script>alert(1)</script>",
    "&amp;",
    '"quoted"',
    "'",
    "a/b",
    "..",
    "nan",
    "-9",
    "0",
    "=1+1",
    "x" * 4000,
]
IDS = [".", ".", "rs1", "rs2", "rs2;rs3", "1:10:A:C", "id with space", '"rs1"', '"', "NA", "ä,b"]
FORMATS = [
    *["GT"] * 4,
    *["GT:AD:DP", "GT:DS", "GT:DS:GP", "GT:PGT", "DP:GT", "DS:GT", "GP:GT", "DPGT:GT"],
    *["GT:DP:GQ", "GQ:GT:DS", "DP:GQ:GP"],
    *["DP", "DS", "GP:DS", "."],
]
FIXED = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]

positions = st.one_of(st.integers(0, 40), st.integers(1, 99_999_999))
bases = st.text("ACGTNacgt", min_size=1, max_size=6)
sample_names = st.lists(
    st.one_of(
        st.sampled_from(ODD_NAMES),
        st.text(
            st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=12
        ),
    ),
    max_size=6,
    unique=True,
)


@st.composite
def regions(draw, contigs=tuple(CONTIGS), last=100_000_000):
    """A Region of any size on one of `contigs`, often a short one near the start."""
    start = draw(st.one_of(st.integers(0, 45), st.integers(0, last - 1)))
    length = draw(st.one_of(st.integers(1, 30), st.integers(1, last)))
    return Region(draw(st.sampled_from(contigs)), start, start + length)


@st.composite
def genotypes(draw, n_alts=1, ploidies=(1, 2), missing=True):
    """Text of one GT (1.6.2): any ploidy given, '/' or '|', missing and half calls."""
    ploidy = draw(st.sampled_from(ploidies))
    allele = st.integers(0, n_alts).map(str)
    if missing:
        allele = st.one_of(allele, allele, st.just("."))
    alleles = draw(st.lists(allele, min_size=ploidy, max_size=ploidy))
    signs = draw(st.lists(st.sampled_from("/|"), min_size=ploidy - 1, max_size=ploidy - 1))
    lead = draw(st.sampled_from(["", "", "", "", "/", "|"]))  # VCF 4.4, 1.6.2
    return lead + alleles[0] + "".join(s + a for s, a in zip(signs, alleles[1:], strict=True))


@st.composite
def alt_lists(draw):
    """ALT: SNVs, indels, up to 12 alleles, '*', symbolic ones; or a block or no ALT at all."""
    kind = draw(st.sampled_from(["snv", "snv", "bases", "many", "mixed", "block", "symbolic"]))
    if kind == "snv":
        return [draw(st.sampled_from("ACGTacgt"))]
    if kind == "bases":
        return [draw(bases)]
    if kind == "many":
        return draw(st.lists(bases, min_size=2, max_size=12, unique_by=str.upper))
    if kind == "mixed":
        plain = draw(st.lists(st.one_of(bases, st.just("*")), min_size=1, max_size=3))
        return list(dict.fromkeys([*(a.upper() for a in plain), draw(st.sampled_from(SYMBOLIC))]))
    return [draw(st.sampled_from(BLOCK_ALTS if kind == "block" else SYMBOLIC))]


def _thousandths(draw, upper):
    """A dosage with three decimals that is never half-way between two counts."""
    value = draw(st.integers(0, 1000 * upper).filter(lambda t: t % 1000 != 500))
    return f"{value / 1000:.3f}".rstrip("0").rstrip(".") if value else "0"


def _field_text(draw, key, n_alts, gt):
    """Text of one FORMAT field (1.6.2, table 2); `gt` fixes the number of values of GP."""
    if key == "GT":
        return gt
    haploid = not any(sign in gt.lstrip("/|") for sign in "/|")
    if draw(st.integers(0, 7)) == 0:
        return "."
    if key == "DS":
        values = [_thousandths(draw, 1 if haploid else 2) for _ in range(max(n_alts, 1))]
        return ",".join(values)
    if key == "GP":
        n_values = n_alts + 1 if haploid else (n_alts + 1) * (n_alts + 2) // 2
        parts = draw(st.lists(st.integers(0, 64), min_size=n_values, max_size=n_values))
        total = sum(parts) or 1
        return ",".join(f"{p / total:.6f}" for p in parts)
    if key == "AD":
        return ",".join(str(draw(st.integers(0, 99))) for _ in range(n_alts + 1))
    return str(draw(st.integers(0, 999)))


@st.composite
def records(draw, n_samples, with_format, contigs):
    """The columns of one record, as a list of texts."""
    alts = draw(alt_lists())
    position = draw(positions)
    ref = draw(st.sampled_from("ACGTa") if alts[0] in BLOCK_ALTS else bases)
    info = draw(st.sampled_from([".", "DP=3", "DB;AF=0.5", "AC=1;AN=2", "XEND=3;BEND=5"]))
    if alts[0] in BLOCK_ALTS and draw(st.booleans()):
        last = position + len(ref) - 1 + draw(st.integers(0, 50))
        info = draw(
            st.sampled_from([f"END={last}", f"DP=3;END={last};MQ=4", f"CIEND=1;END={last}"])
        )
    identifier = draw(st.sampled_from(IDS))
    quality = draw(st.sampled_from([".", "0", "29.5", "100"]))
    passed = draw(st.sampled_from([".", "PASS", "q10;s50"]))
    columns = [draw(st.sampled_from(contigs)), str(position), identifier, ref, ",".join(alts)]
    columns += [quality, passed, info]
    if with_format:
        columns += draw(_calls(n_samples, 0 if alts == ["."] else len(alts)))
    return columns


@st.composite
def _calls(draw, n_samples, n_alts):
    """FORMAT and the sample columns: GT first, later or absent; fields dropped at the end."""
    keys = draw(st.sampled_from(FORMATS))
    names = keys.split(":")
    ploidies = draw(st.sampled_from([(2,)] * 4 + [(1,), (1, 2), (1, 2), (1, 2, 3), (2, 3)]))
    missing = draw(st.booleans())
    plain = draw(st.integers(0, 2)) == 0  # the bytes that most files hold: '0|1' and nothing else
    cells = []
    for _ in range(n_samples):
        if plain:
            gt = f"{draw(st.integers(0, n_alts))}|{draw(st.integers(0, n_alts))}"
        else:
            gt = draw(genotypes(n_alts, ploidies, missing))
        fields = [_field_text(draw, name, n_alts, gt) for name in names]
        kept = draw(st.sampled_from([len(fields)] * 4 + [1]))
        cells.append(
            "." if keys == "." or draw(st.integers(0, 15)) == 0 else ":".join(fields[:kept])
        )
    return [keys, *cells]


@st.composite
def vcf_text(draw, max_records=12, sort=None):
    """A whole valid VCF as bytes: 0-6 samples, 0-12 records, LF or CRLF; sorted if asked."""
    names = draw(sample_names)
    contigs = draw(st.lists(st.sampled_from(CONTIGS), min_size=1, max_size=4, unique=True))
    header = ["##fileformat=VCFv4.3"]
    if draw(st.booleans()) or sort:
        lengths = draw(st.booleans())
        header += [f"##contig=<ID={c}{',length=200000000' if lengths else ''}>" for c in contigs]
    if draw(st.booleans()):
        header += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype, called">']
        header += ['##INFO=<ID=END,Number=1,Type=Integer,Description="Last position">']
    with_format = bool(names) or draw(st.booleans())
    header.append("\t".join([*FIXED, *(["FORMAT"] if with_format else []), *names]))
    rows = draw(st.lists(records(len(names), with_format, contigs), max_size=max_records))
    if sort or (sort is None and draw(st.booleans())):
        rows.sort(key=lambda columns: (contigs.index(columns[0]), int(columns[1])))
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    text = end.join([*header, *("\t".join(columns) for columns in rows)])
    return (text + draw(st.sampled_from([end, end, end, "", end + end]))).encode()


@st.composite
def regular_matrix_text(draw, max_samples=300, max_records=60, leading_phase=True):
    """GT-only VCF big enough for fast paths: every cell has 3 characters, but perhaps one.

    The genotypes come from a seeded generator, since 18,000 draws would take minutes; the odd cell
    (haploid, missing, half call, two-digit allele, other separator) may lie anywhere.
    """
    rng = random.Random(draw(st.integers(0, 2**32 - 1)))
    n_samples = draw(st.one_of(st.integers(1, 40), st.integers(1, max_samples)))
    n_records = draw(st.integers(1, max_records))
    alphabet = draw(st.sampled_from([["0|0", "0|1", "1|0", "1|1"], ["0/0", "0/1", "1/1", "./."]]))
    n_alts = draw(st.sampled_from([1, 1, 1, 2, 11]))
    alts = ["C", "G", "T", "AC", "AG", "AT", "CC", "CG", "CT", "GG", "GT"][:n_alts]
    cells = [rng.choices(alphabet, k=n_samples) for _ in range(n_records)]
    odd = [None, "0", "1", ".", "./1", "1|.", f"0|{n_alts}", "0/1"]
    odd = draw(st.sampled_from([*odd, "/1|1", "|0"] if leading_phase else odd))
    if odd is not None:
        row, column = draw(st.integers(0, n_records - 1)), draw(st.integers(0, n_samples - 1))
        cells[row][column] = odd
    lines = ["##fileformat=VCFv4.3", "##contig=<ID=22>"]
    lines.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">')
    lines.append("\t".join([*FIXED, "FORMAT", *(f"s{i}" for i in range(n_samples))]))
    for index, row in enumerate(cells):
        fixed = ["22", str(1000 + index), f"rs{index}", "A", ",".join(alts), ".", "PASS", ".", "GT"]
        lines.append("\t".join([*fixed, *row]))
    end = draw(st.sampled_from(["\n", "\n", "\n", "\r\n"]))
    return (end.join(lines) + draw(st.sampled_from([end, end, ""]))).encode()


@st.composite
def broken_vcf_text(draw, texts=None):
    """Valid text with one mutation: a byte or a column lost, added or replaced, or a cut."""
    data = draw(texts if texts is not None else vcf_text())
    kind = draw(st.sampled_from(["drop", "insert", "replace", "column", "cut", "line", "swap"]))
    at = draw(st.integers(0, max(len(data) - 1, 0)))
    byte = draw(st.sampled_from(b"\t\n\r\x00 .,:;/|0129-<>#ACgT\xff\xc3"))
    if kind == "cut":
        return data[:at]
    if kind in ("drop", "insert", "replace"):
        middle = b"" if kind == "drop" else bytes([byte])
        return data[:at] + middle + data[at + (kind != "insert") :]
    lines = data.split(b"\n")
    where = draw(st.integers(0, len(lines) - 1))
    if kind == "column":
        columns = lines[where].split(b"\t")
        column = draw(st.integers(0, len(columns) - 1))
        columns[column : column + draw(st.integers(0, 1))] = draw(
            st.sampled_from([[], [b""], [b"."], [b"x"], [b"0|1", b"0|1"]])
        )
        lines[where] = b"\t".join(columns)
    elif kind == "line":
        lines[where : where + 1] = draw(st.sampled_from([[], [b""], [lines[where]] * 2, [b"#x"]]))
    else:
        other = draw(st.integers(0, len(lines) - 1))
        lines[where], lines[other] = lines[other], lines[where]
    return b"\n".join(lines)


BGZF_EOF = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def bgzf_bytes(data: bytes, block_size: int = 65280, level: int = 1) -> bytes:
    """Compress to BGZF (SAM specification 4.1) with blocks of `block_size` bytes of text."""
    blocks = []
    for first in range(0, len(data), block_size):
        piece = data[first : first + block_size]
        deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
        body = deflate.compress(piece) + deflate.flush()
        head = struct.pack("<4BIBBHBBHH", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(body) + 25)
        blocks.append(head + body + struct.pack("<II", zlib.crc32(piece), len(piece)))
    return b"".join(blocks) + BGZF_EOF
