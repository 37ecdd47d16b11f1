"""Genotypes of a VCF through a store of ours and `plink2 --export vcf`, beside bcftools' own.

Compared are the rows of `bcftools norm -m -any`, one per ALT. A call is written as its two alleles
with "/" or, where it is heterozygous and phased, "|": what cannot be kept in a .pgen is left out of
the comparison. These are, as plink2 itself drops them: the separator of a homozygous or missing
call, the order of the alleles of an unphased one, whether a homozygous call was haploid, and which
allele of a half-call is there.
"""

import gzip
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import NamedTuple

from genomed.io.pvar import pvar_contig

HOMOZYGOUS = ((b"0|0", b"0/0"), (b"1|1", b"1/1"), (b".|.", b"./."))
_CALLS: dict[bytes, bytes] = {}


def call(text: bytes) -> bytes:
    """A call in the one spelling in which calls are compared."""
    found = _CALLS.get(text)
    if found is None:
        alleles = re.split(rb"[/|]", text)
        if b"." in alleles:
            found = b"."
        elif len(set(alleles)) == 1:
            found = alleles[0] + b"/" + alleles[0]
        elif b"|" in text:
            found = text
        else:
            found = b"/".join(sorted(alleles))
        _CALLS[text] = found
    return found


class Row(NamedTuple):
    """Contig, position, ID, REF and ALT; the calls as they were written, homozygotes alike."""

    place: list[bytes]
    calls: bytes

    def cells(self) -> list[bytes]:
        """The place, and the calls in the spelling in which calls are compared."""
        return [*self.place, *map(call, self.calls.split(b"\t")[1:])]


def same(found: Row | None, expected: Row | None) -> bool:
    """Whether two rows hold the same calls; cells are compared only where the text differs."""
    if found is None or expected is None or found == expected:
        return found is expected or found == expected
    return found.cells() == expected.cells()


def rows(path: Path, folder: Path) -> Iterator[list[bytes]]:
    """Contig, position, ID, REF, ALT and calls of every row, as bcftools splits them, in order."""
    return (row.cells() for row in iter_rows(path, folder))


def iter_rows(path: Path, folder: Path) -> Iterator[Row]:
    """The rows of a VCF or BCF, as bcftools splits them, in order."""
    text = header(path)
    if b"\n##contig=" not in text:
        path = with_contigs(path, folder)
    cells, kept = ("[\\t%GT]", "^FORMAT/GT") if b"##FORMAT=<ID=GT," in text else ("", "FORMAT")
    n_samples = len(text.splitlines()[-1].split(b"\t")) - 9
    command = (  # INFO goes first: what does not fit its Number would stop bcftools
        f"bcftools annotate -x INFO,{kept} {path} -Ou | bcftools norm -m -any -w 0 -Ou | "
        f"bcftools query -f '%CHROM\\t%POS\\t%ID\\t%REF\\t%ALT{cells}\\n'"
    )
    with Popen(command, shell=True, stdout=PIPE, stderr=DEVNULL) as running:
        assert running.stdout is not None
        for line in running.stdout:
            contig, position, name, ref, rest = line.rstrip(b"\n").split(b"\t", 4)
            alt, tab, calls = rest.partition(b"\t")
            alt = alt if re.search(rb"[<>\[\]]", alt) else alt.upper()
            place = [pvar_contig(contig.decode()).encode(), position, name, ref.upper(), alt]
            for phased, unphased in HOMOZYGOUS:
                calls = calls.replace(phased, unphased)
            yield Row(place, tab + calls if cells else b"\t." * n_samples)


def header(path: Path) -> bytes:
    """The header of a VCF or BCF, with its column line."""
    command = ["bcftools", "view", "-h", "--no-version", str(path)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def with_contigs(path: Path, folder: Path) -> Path:
    """A copy whose header declares every contig, as bcftools needs to pass records on."""
    text = path.read_bytes()
    if text[:2] == b"\x1f\x8b":
        text = gzip.decompress(text)
    start = text.index(b"#CHROM")
    names = {line.split(b"\t", 1)[0] for line in text[start:].splitlines()[1:] if line}
    lines = b"".join(b"##contig=<ID=" + name + b">\n" for name in sorted(names))
    copy = folder / "with_contigs.vcf"
    copy.write_bytes(text[:start] + lines + text[start:])
    return copy


def export(prefix: Path, out: Path) -> Path:
    """The store as plink2 writes it as VCF."""
    command = [
        "plink2", "--pfile", str(prefix), "--allow-extra-chr", "--export", "vcf", "--threads", "2",
        "--memory", "2000", "--out", str(out),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(f"{out}.vcf")


def validate(prefix: Path, out: Path) -> None:
    """`plink2 --validate` and `--pgen-info`; fails with what they say."""
    for question in ("--validate", "--pgen-info"):
        command = ["plink2", "--pfile", str(prefix), "--allow-extra-chr", question]
        done = subprocess.run(
            [*command, "--out", str(out)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
