"""Which format a cohort is in, and its index, told from names: standard library only."""

from pathlib import Path

__all__ = ["COMPANIONS", "cohort_format", "has_index", "index_paths"]

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


def index_paths(path: str) -> list[Path]:
    """Index files beside a VCF: ``FILE.csi``, ``FILE.tbi``, with or without FILE's last suffix."""
    if path == "-":
        return []
    file = Path(path)
    beside = [file.with_name(file.name + ending) for ending in (".csi", ".tbi")]
    if file.suffix in (".gz", ".bgz"):
        beside += [file.with_suffix(ending) for ending in (".csi", ".tbi")]
    return [index for index in beside if index.is_file()]


def has_index(path: str) -> bool:
    """Whether an index lies beside a VCF, so that a reader may choose to seek."""
    return bool(index_paths(path))
