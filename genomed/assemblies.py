"""What the human genome builds look like from a file's header: contig lengths and PARs.

Lengths of GRCh37 and GRCh38: ``##contig`` lines of the 1000 Genomes and Genome in a Bottle files,
and UCSC's cytoBand tables of hg19 and hg38. Lengths of NCBI36: UCSC's hg18 chromosome table as
repeated in libStatGen's tests and in the GVF headers of the Sequence Ontology's GAL. Lengths of
T2T-CHM13v2.0: NCBI's assembly report (GCF_009914755.1), compared with two public genetic maps'
tables. Pseudo-autosomal regions: Genome Reference Consortium (ncbi.nlm.nih.gov/grc/human),
Ensembl (info/genome/genebuild/human_PARS.html), UCSC for NCBI36, and the CHM13 project's
chm13v2.0_PAR.bed. Each number was compared in two places.

The mitochondrion is left out: UCSC's hg19 carries an older one (16,571 bases) than every other copy
of GRCh37 (16,569), so its length tells nothing.
"""

from collections.abc import Mapping

from genomed.regions import AUTOSOMES, Region, canonical_contig

__all__ = [
    "CONTIG_LENGTHS",
    "PSEUDO_AUTOSOMAL",
    "detect_build",
    "is_pseudo_autosomal",
    "normalise_build",
]

_CONTIGS = (*AUTOSOMES, "X", "Y")


def _lengths(text: str) -> dict[str, int]:
    return dict(zip(_CONTIGS, (int(length) for length in text.split()), strict=True))


# Build -> canonical contig name -> length in bases: chromosomes 1 to 22, X and Y.
CONTIG_LENGTHS: Mapping[str, Mapping[str, int]] = {
    "NCBI36": _lengths(
        "247249719 242951149 199501827 191273063 180857866 170899992 158821424 146274826 140273252 "
        "135374737 134452384 132349534 114142980 106368585 100338915 88827254 78774742 76117153 "
        "63811651 62435964 46944323 49691432 154913754 57772954"
    ),
    "GRCh37": _lengths(
        "249250621 243199373 198022430 191154276 180915260 171115067 159138663 146364022 141213431 "
        "135534747 135006516 133851895 115169878 107349540 102531392 90354753 81195210 78077248 "
        "59128983 63025520 48129895 51304566 155270560 59373566"
    ),
    "GRCh38": _lengths(
        "248956422 242193529 198295559 190214555 181538259 170805979 159345973 145138636 138394717 "
        "133797422 135086622 133275309 114364328 107043718 101991189 90338345 83257441 80373285 "
        "58617616 64444167 46709983 50818468 156040895 57227415"
    ),
    "T2T-CHM13v2": _lengths(
        "248387328 242696752 201105948 193574945 182045439 172126628 160567428 146259331 150617247 "
        "134758134 135127769 133324548 113566686 101161492 99753195 96330374 84276897 80542538 "
        "61707364 66210255 45090682 51324926 154259566 62460029"
    ),
}

# Build -> the parts of X and Y that recombine with each other, where males are diploid.
PSEUDO_AUTOSOMAL: Mapping[str, tuple[Region, ...]] = {
    "NCBI36": (
        Region("X", 0, 2709520),
        Region("X", 154584237, 154913754),
        Region("Y", 0, 2709520),
        Region("Y", 57443437, 57772954),
    ),
    "GRCh37": (
        Region("X", 60000, 2699520),
        Region("X", 154931043, 155260560),
        Region("Y", 10000, 2649520),
        Region("Y", 59034049, 59363566),
    ),
    "GRCh38": (
        Region("X", 10000, 2781479),
        Region("X", 155701382, 156030895),
        Region("Y", 10000, 2781479),
        Region("Y", 56887902, 57217415),
    ),
    "T2T-CHM13v2": (
        Region("X", 0, 2394410),
        Region("X", 153925834, 154259566),
        Region("Y", 0, 2458320),
        Region("Y", 62122809, 62460029),
    ),
}

_NAMES = {
    "NCBI36": ("ncbi36", "hg18", "b36", "build36", "36"),
    "GRCh37": ("grch37", "hg19", "b37", "build37", "hs37", "hs37d5", "humang1kv37", "37"),
    "GRCh38": ("grch38", "hg38", "b38", "build38", "hs38", "hs38dh", "38"),
    "T2T-CHM13v2": ("t2tchm13v2", "t2tchm13v20", "chm13v2", "chm13v20", "t2tchm13", "hs1"),
}


def normalise_build(name: str) -> str | None:
    """Spell a genome build the one way used here: ``hg19`` -> ``GRCh37``; None when not known.

    Case, spaces, dashes, underscores and a patch number (``GRCh38.p14``) do not matter.
    """
    bare = name.strip().lower().partition(".p")[0]
    bare = "".join(letter for letter in bare if letter.isalnum())
    return next((build for build, names in _NAMES.items() if bare in names), None)


def detect_build(contigs: Mapping[str, int | None]) -> str | None:
    """Tell the genome build from contig lengths, or None when no known length is among them.

    contigs : name in any spelling -> length in bases, None where unknown. Contigs other than 1 to
              22, X and Y are ignored
    returns : the build most lengths agree with, a key of CONTIG_LENGTHS
    raises  : ValueError when as many lengths agree with one build as with another
    """
    named = [(canonical_contig(name), name, length) for name, length in contigs.items() if length]
    agreeing = {
        build: [name for contig, name, length in named if lengths.get(contig) == length]
        for build, lengths in CONTIG_LENGTHS.items()
    }
    most = max(len(names) for names in agreeing.values())
    best = [build for build, names in agreeing.items() if most and len(names) == most]
    if len(best) > 1:
        found = " and ".join(f"{', '.join(agreeing[build][:3])} of {build}" for build in best)
        raise ValueError(f"contig lengths contradict each other: {found}; name the build")
    return best[0] if best else None


def is_pseudo_autosomal(build: str, contig: str, position: int) -> bool:
    """Whether a 1-based position lies where X and Y recombine, and males are diploid.

    raises : ValueError when the build is not known
    """
    spelt = normalise_build(build)
    if spelt is None:
        known = ", ".join(PSEUDO_AUTOSOMAL)
        raise ValueError(f"{build!r} is not a known genome build; known: {known}")
    name = canonical_contig(contig)
    return any(
        name == region.contig and region.start < position <= region.end
        for region in PSEUDO_AUTOSOMAL[spelt]
    )
