"""Which format a cohort is in, told from its name: standard library only."""

from pathlib import Path

__all__ = ["COMPANIONS", "cohort_format"]

_SUFFIXES = {".pgen": "pgen", ".bed": "bed", ".bgen": "bgen", ".bcf": "bcf"}
COMPANIONS = {".pvar": "pgen", ".pvar.zst": "pgen", ".psam": "pgen", ".bim": "bed", ".fam": "bed"}


def cohort_format(path: str) -> str:
    """Name of the reader for a path: by its ending, or for a PLINK prefix by what lies there.

    Returns "vcf", "bcf", "pgen", "bed" or "bgen"; "vcf" is also the guess for anything else, since
    VCF reveals itself by its first line.
    """
    if path == "-":
        return "vcf"
    known = _SUFFIXES.get(Path(path).suffix.lower())
    if known:
        return known
    for ending, name in COMPANIONS.items():
        if path.endswith(ending):
            return name
    if not Path(path).is_file():
        for suffix in (".pgen", ".bed"):
            if Path(path + suffix).is_file():
                return _SUFFIXES[suffix]
    return "vcf"
