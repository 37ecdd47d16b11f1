"""Simulate the example cohort: 300 people of three populations, with a known truth.

    python examples/make_cohort.py [DIRECTORY]

Chromosome 22 and part of X come from a coalescent simulation of the out-of-Africa history of
Gutenkunst et al. 2009 (doi:10.1371/journal.pgen.1000695, table 1; the same numbers as msprime's
own test of that model), so that linkage disequilibrium, rare variants and the distance between
populations look real. The loci of the bundled panel are drawn at published frequencies. Everything
planted is listed in truth.tsv and causal.tsv. Nobody here exists.

Needs msprime, which is used nowhere else. The same version of it gives the same bytes (README.md
names the version).
"""

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msprime
import numpy as np
import pysam
import tskit

from genomed.assemblies import CONTIG_LENGTHS

Rng = np.random.Generator

SEED = 2009
MSPRIME_VERSION = "1.4.4"  # of the committed data
POPULATIONS = ("AFR", "EUR", "EAS")
FOUNDERS = 99  # unrelated people per population; the hundredth is planted
PANEL = Path(__file__).resolve().parent.parent / "genomed" / "panel"

# Independent short segments: on one long one, strangers would look like cousins.
SEGMENT = 36_000  # bases
CHR22 = (
    "chr22",
    17_000_000,
    330,
    100_000,
)  # contig, first position, segments, bases between starts
CHRX = ("chrX", 100_000_000, 55, 300_000)  # outside the pseudo-autosomal regions
RECOMBINATION_RATE = 1e-8  # per base and generation
MUTATION_RATE = 1.25e-8

MISSING_RATE = 0.005  # of calls
HALF_CALL_RATE = 0.0005
LOW_CALL_RATE = 0.85
DIVERGENCE = 0.1  # F of Balding and Nichols 1995, where only the European frequency is published

DUPLICATES = {"AFR100": "AFR017", "EAS100": "EAS042"}  # copy -> original
CHILD, MOTHER, FATHER = "EUR100", "EUR023", "EUR058"
SEX_MISMATCH = "EUR071"
LOW_CALL_SAMPLE = "AFR064"
HFE_HOMOZYGOTE = "EUR036"
APOE_NOT_CALLED = ("EAS008", "EUR090")

# Copies of the effect allele and alleles called in 1000 Genomes phase 3: AFR, EUR, EAS. Sources as
# in genomed/panel; the EUR column is the frequency given there.
COUNTED = {
    "rs429358": ((246, 884), (100, 674), (53, 674)),
    "rs7412": ((87, 884), (45, 674), (70, 674)),
    "rs6025": ((0, 884), (9, 674), (0, 674)),
    "rs1800562": ((1, 884), (28, 674), (0, 674)),
    "rs1045485": ((52, 884), (85, 674), (0, 674)),
    "rs17529111": ((69, 1322), (223, 1006), (220, 1008)),
    "rs6472903": ((143, 1322), (165, 1006), (32, 1008)),
}
UNKNOWN_FREQUENCY = {"rs1799963": (1, 60)}  # parameters of the Beta it is drawn from
COMMON_FREQUENCY = (2, 3)  # the same for every other variant without a published frequency


class Person(NamedTuple):
    """One column of the VCF; `sex` is the genetic one, M or F."""

    sample: str
    population: str
    sex: str
    age: int


@dataclass
class Record:
    """One line of the VCF.

    haplotypes : int8 (2 x people,), allele index; the second of a male on X is not used
    phased     : written with | instead of /
    detailed   : with DP and GQ beside GT
    """

    contig: str
    position: int
    id: str
    ref: str
    alts: tuple[str, ...]
    haplotypes: np.ndarray
    phased: bool = True
    detailed: bool = False
    filter: str = "PASS"


def make_people(rng: Rng) -> list[Person]:
    """Three hundred people, a hundred per population, in order."""
    fixed_sex = {MOTHER: "F", FATHER: "M", CHILD: "F", SEX_MISMATCH: "M"}
    fixed_age = {MOTHER: 58, FATHER: 61, CHILD: 30}
    people: dict[str, Person] = {}
    for population in POPULATIONS:
        for number in range(1, FOUNDERS + 2):
            sample = f"{population}{number:03d}"
            sex = str(rng.choice(["M", "F"]))
            age = int(rng.integers(25, 81))
            if sample in DUPLICATES:
                people[sample] = people[DUPLICATES[sample]]._replace(sample=sample)
            else:
                sex, age = fixed_sex.get(sample, sex), fixed_age.get(sample, age)
                people[sample] = Person(sample, population, sex, age)
    return list(people.values())


def out_of_africa(scale: float) -> msprime.Demography:
    """The history of Gutenkunst et al. 2009; `scale` is 3/4 for X, 1 for an autosome."""
    generation = 25  # years
    split, out, archaic = (years / generation for years in (21.2e3, 140e3, 220e3))
    demography = msprime.Demography()
    demography.add_population(name="AFR", initial_size=12_300 * scale)
    for name, founders, growth in (("EUR", 1_000, 0.004), ("EAS", 510, 0.0055)):
        today = founders * math.exp(growth * split) * scale
        demography.add_population(name=name, initial_size=today, growth_rate=growth)
    for name, size in (("OOA", 2_100), ("AMH", 12_300), ("ANC", 7_300)):
        demography.add_population(name=name, initial_size=size * scale)
    demography.set_symmetric_migration_rate(["EUR", "EAS"], 9.6e-5)
    demography.set_symmetric_migration_rate(["AFR", "EAS"], 1.9e-5)
    demography.set_symmetric_migration_rate(["AFR", "EUR"], 3e-5)
    demography.add_population_split(time=split, derived=["EUR", "EAS"], ancestral="OOA")
    demography.add_symmetric_migration_rate_change(
        time=split, populations=["AFR", "OOA"], rate=25e-5
    )
    demography.add_population_split(time=out, derived=["AFR", "OOA"], ancestral="AMH")
    demography.add_population_split(time=archaic, derived=["AMH"], ancestral="ANC")
    return demography


def simulate(
    region: tuple[str, int, int, int], scale: float, n_common: int, n_rare: int, rng: Rng
) -> list[Record]:
    """A sample of the simulated variants of a region, over the founders' haplotypes."""
    several, common, rare = [], [], []
    for record in _simulated(region, scale, rng):
        counts = np.bincount(record.haplotypes)
        if len(record.alts) > 1:
            several.append(record)
        elif len(record.alts) == 1 and counts.min() >= 2:
            frequent = counts.min() >= 0.05 * counts.sum()
            (common if frequent else rare).append(record)
    kept = several + _sample(common, n_common, rng) + _sample(rare, n_rare, rng)
    return sorted(kept, key=lambda record: record.position)


def _simulated(region: tuple[str, int, int, int], scale: float, rng: Rng) -> Iterator[Record]:
    contig, first, n_segments, step = region
    ancestries = msprime.sim_ancestry(
        dict.fromkeys(POPULATIONS, FOUNDERS),
        demography=out_of_africa(scale),
        sequence_length=SEGMENT,
        recombination_rate=RECOMBINATION_RATE,
        num_replicates=n_segments,
        random_seed=int(rng.integers(1, 2**31)),
    )
    for number, ancestry in enumerate(ancestries):
        seed = int(rng.integers(1, 2**31))
        model = msprime.HKY(kappa=4)
        trees = msprime.sim_mutations(ancestry, rate=MUTATION_RATE, model=model, random_seed=seed)
        for variant in trees.variants():
            yield _record(contig, first + number * step + int(variant.site.position), variant)


def _record(contig: str, position: int, variant: tskit.Variant) -> Record:
    """Only alleles that are seen, the ancestral one first; REF is the ancestral base."""
    seen = [a for a in range(1, len(variant.alleles)) if np.any(variant.genotypes == a)]
    index = np.zeros(len(variant.alleles), np.int8)
    for new, old in enumerate(seen, start=1):
        index[old] = new
    alts = tuple(variant.alleles[old] for old in seen)
    return Record(contig, position, ".", variant.alleles[0], alts, index[variant.genotypes])


def _sample(records: list[Record], size: int, rng: Rng) -> list[Record]:
    chosen = rng.choice(len(records), min(size, len(records)), replace=False)
    return [records[i] for i in sorted(chosen)]


def _bases(size: int, rng: Rng) -> str:
    return "".join(rng.choice(list("ACGT"), size))


def make_indels(records: list[Record], share: float, rng: Rng) -> None:
    """Turn a share of the SNVs into insertions and deletions of 1 to 6 bases, in place."""
    for record, following in pairwise(records):
        size = int(min(rng.geometric(0.5), 6))
        inserts, chosen = rng.random() < 0.5, rng.random() < share
        fits = following.position > record.position + size
        plain = len(record.ref) == len(record.alts) == 1
        if not (chosen and plain and (inserts or fits)):
            continue
        longer = record.ref + _bases(size, rng)
        short, record.ref = record.ref, record.ref if inserts else longer
        record.alts = (longer,) if inserts else (short,)


def make_spanning_deletions(records: list[Record], number: int, rng: Rng) -> None:
    """Put deletions over a following SNV, whose carriers get the allele ``*`` there, in place."""
    made = 0
    for record, following in pairwise(records):
        gap = following.position - record.position
        biallelic = len(record.alts) == len(following.alts) == 1
        snvs = biallelic and all(
            len(allele) == 1 for r in (record, following) for allele in (r.ref, *r.alts)
        )
        if made == number or not snvs or not 1 < gap <= 20:
            continue
        deleted = record.haplotypes == 1
        left = np.where(deleted, 2, following.haplotypes).astype(np.int8)
        if not np.any(left == 1):
            continue
        record.alts = (record.ref,)
        record.ref = record.ref + _bases(gap - 1, rng) + following.ref
        following.alts, following.haplotypes = (*following.alts, "*"), left
        made += 1


def name_and_filter(records: list[Record], prefix: str, rng: Rng) -> None:
    """Give IDs (none to one in twenty) and mark one in two hundred LowQual, in place."""
    for number, record in enumerate(records, start=1):
        record.id = "." if number % 20 == 0 else f"{prefix}{number}"
        record.filter = "LowQual" if rng.random() < 0.005 else "PASS"


def panel_rows() -> list[dict[str, str]]:
    """Rows of the bundled panel's files, in the order of the files' names."""
    rows = []
    for path in sorted(PANEL.glob("*.txt")):
        lines = [x for x in path.read_text(encoding="utf-8").splitlines() if x[:1] != "#"]
        columns = lines[0].split("\t")
        rows += [dict(zip(columns, line.split("\t"), strict=True)) for line in lines[1:]]
    return rows


def frequencies(row: dict[str, str], rng: Rng) -> list[float]:
    """Frequency of the effect allele in AFR, EUR and EAS."""
    rsid = row["rsID"]
    shape = UNKNOWN_FREQUENCY.get(rsid, COMMON_FREQUENCY)
    european = float(row["allelefrequency_effect"] or rng.beta(*shape))
    spread = (1 - DIVERGENCE) / DIVERGENCE
    african, asian = rng.beta(european * spread, (1 - european) * spread, 2)
    if rsid in COUNTED:
        return [copies / alleles for copies, alleles in COUNTED[rsid]]
    return [float(african), european, float(asian)]


def make_panel(rng: Rng) -> list[Record]:
    """The panel's loci over the founders' haplotypes; REF is the allele commoner in Europeans.

    On one haplotype rs429358 C and rs7412 T exclude each other (there is no e1), everything else
    is independent. rs6472903 alone has REF by fact: 1000 Genomes shows that it is the rarer G.
    """
    records = []
    for row in panel_rows():
        frequency = np.repeat(frequencies(row, rng), 2 * FOUNDERS)
        draw = rng.random(len(frequency))
        if row["rsID"] == "rs7412":  # the record before is rs429358
            e4 = records[-1].haplotypes == 1
            carries = ~e4 & (draw < frequency / (1 - np.repeat(_e4_frequency(), 2 * FOUNDERS)))
        else:
            carries = draw < frequency
        effect_is_ref = row["rsID"] == "rs6472903" or frequency[2 * FOUNDERS] > 0.5
        alleles = (row["effect_allele"], row["other_allele"])
        ref, alt = alleles if effect_is_ref else alleles[::-1]
        haplotypes = (carries != effect_is_ref).astype(np.int8)
        place = (f"chr{row['hm_chr']}", int(row["hm_pos"]), row["rsID"])
        records.append(Record(*place, ref, (alt,), haplotypes, phased=False, detailed=True))
    return records


def _e4_frequency() -> list[float]:
    return [copies / alleles for copies, alleles in COUNTED["rs429358"]]


def add_relatives(records: Sequence[Record], people: list[Person], rng: Rng) -> None:
    """Widen the founders' haplotypes of one contig to everybody's, in place."""
    founders = [p.sample for p in people if p.sample not in (*DUPLICATES, CHILD)]
    column = {sample: 2 * i for i, sample in enumerate(founders)} | {CHILD: 0}
    column |= {copy: column[original] for copy, original in DUPLICATES.items()}
    columns = np.array([column[p.sample] + side for p in people for side in (0, 1)])
    child = 2 * [p.sample for p in people].index(CHILD)
    from_mother = _crossovers(records, rng)
    on_x = records[0].contig == "chrX"
    from_father = np.zeros(len(records), np.int64) if on_x else _crossovers(records, rng)
    for i, record in enumerate(records):
        mother = record.haplotypes[column[MOTHER] + from_mother[i]]
        father = record.haplotypes[column[FATHER] + from_father[i]]
        record.haplotypes = record.haplotypes[columns]
        record.haplotypes[child : child + 2] = mother, father


def _crossovers(records: Sequence[Record], rng: Rng) -> np.ndarray:
    """Which of a parent's two haplotypes is passed on at each record, 0 or 1."""
    gaps = np.diff([record.position for record in records], prepend=records[0].position)
    odds = 0.5 * (1 - np.exp(-2 * RECOMBINATION_RATE * gaps))  # Haldane's map function
    switches = rng.random(len(records)) < odds
    return (np.cumsum(switches) + int(rng.integers(2))) % 2


def plant_homozygote(records: Iterable[Record], people: list[Person]) -> None:
    """Make one European homozygous for HFE p.Cys282Tyr, in place."""
    record = next(record for record in records if record.id == "rs1800562")
    place = 2 * [person.sample for person in people].index(HFE_HOMOZYGOTE)
    record.haplotypes[place : place + 2] = 1


def vcf_line(record: Record, people: list[Person], rng: Rng) -> str:
    """The text of one record, with calls lost at random."""
    rate = np.full(len(people), 0.0 if record.detailed else MISSING_RATE)
    samples = [person.sample for person in people]
    rate[samples.index(LOW_CALL_SAMPLE)] = 1 - LOW_CALL_RATE
    lost = rng.random(len(people)) < rate
    half = (rng.random(len(people)) < HALF_CALL_RATE) & (not record.detailed)
    if record.id == "rs429358":
        lost |= np.isin(samples, APOE_NOT_CALLED)
    haploid = [record.contig == "chrX" and person.sex == "M" for person in people]
    separator = "|" if record.phased else "/"
    calls, text = [], [str(allele) for allele in record.haplotypes.tolist()]
    for i in range(len(people)):
        alleles = text[2 * i : 2 * i + 2]
        if not record.phased:
            alleles.sort()
        if half[i]:
            alleles[int(rng.integers(2))] = "."
        if lost[i]:
            alleles = [".", "."]
        if haploid[i]:
            alleles = ["." if lost[i] else text[2 * i]]
        calls.append(separator.join(alleles))
    if record.detailed:
        depth, quality = rng.poisson(30, len(people)), rng.integers(40, 100, len(people))
        calls = [
            call if lost[i] else f"{call}:{depth[i]}:{quality[i]}" for i, call in enumerate(calls)
        ]
    fields = [record.contig, record.position, record.id, record.ref, ",".join(record.alts)]
    form = "GT:DP:GQ" if record.detailed else "GT"
    return "\t".join(map(str, [*fields, ".", record.filter, ".", form, *calls]))


def vcf_header(people: list[Person]) -> list[str]:
    """Meta lines and column names."""
    contigs = [
        f"##contig=<ID=chr{contig},length={length},assembly=GRCh38>"
        for contig, length in CONTIG_LENGTHS["GRCh38"].items()
    ]
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    return [
        "##fileformat=VCFv4.3",
        f"##source=genomed examples/make_cohort.py, seed {SEED}, msprime {MSPRIME_VERSION}",
        "##reference=GRCh38 coordinates; the bases are invented",
        *contigs,
        '##FILTER=<ID=PASS,Description="All filters passed">',
        '##FILTER=<ID=LowQual,Description="Planted low quality">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Read depth">',
        '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Genotype quality">',
        "\t".join([*columns, *(person.sample for person in people)]),
    ]


def write_vcf(path: Path, records: list[Record], people: list[Person], rng: Rng) -> None:
    """Write BGZF and its tabix index."""
    order = {f"chr{contig}": i for i, contig in enumerate(CONTIG_LENGTHS["GRCh38"])}
    records = sorted(records, key=lambda record: (order[record.contig], record.position))
    lines = [*vcf_header(people), *(vcf_line(record, people, rng) for record in records)]
    plain = path.with_suffix("")
    plain.write_text("\n".join(lines) + "\n", encoding="ascii", newline="")
    pysam.tabix_compress(str(plain), str(path), force=True)
    pysam.tabix_index(str(path), preset="vcf", force=True)
    plain.unlink()


def dosages(records: Sequence[Record]) -> np.ndarray:
    """ALT copies, int64 (records, people), before any call is lost; biallelic records only."""
    haplotypes = np.array([record.haplotypes for record in records], np.int64)
    return haplotypes[:, ::2] + haplotypes[:, 1::2]


def draw_causal(
    records: list[Record], number: int, heritability: float, rng: Rng
) -> tuple[list[Record], np.ndarray, np.ndarray]:
    """Common variants, their effects per ALT copy, and each person's genetic value.

    Effects are scaled so that the genetic values' variance over the cohort is the heritability.
    """
    plain = [r for r in records if len(r.alts) == 1 and r.filter == "PASS"]
    shares = dosages(plain).mean(axis=1) / 2
    eligible = np.flatnonzero((shares > 0.1) & (shares < 0.9))
    chosen = sorted(rng.choice(eligible, number, replace=False))
    causal = [plain[i] for i in chosen]
    effects = rng.normal(size=number)
    values = effects @ dosages(causal)
    scale = math.sqrt(heritability) / values.std()
    return causal, effects * scale, (values - values.mean()) * scale


def make_traits(
    records: list[Record], people: list[Person], rng: Rng
) -> tuple[list[str], list[str]]:
    """Lines of traits.tsv and of causal.tsv.

    biomarker : genetic value + noise (their variances add to 1) + 0.3 in men + 0.01 per year
                over 50
    disease   : 1 in the three tenths of people with the highest liability
    """
    index = [DUPLICATES.get(person.sample, person.sample) for person in people]
    first = [index.index(sample) for sample in index]  # a duplicate has its original's noise
    causal_lines = ["trait\tcontig\tposition\tid\tref\talt\teffect\talt_frequency\theritability"]
    values = {}
    for trait, number, heritability in (("biomarker", 10, 0.5), ("disease", 8, 0.6)):
        causal, effects, genetic = draw_causal(records, number, heritability, rng)
        noise = rng.normal(scale=math.sqrt(1 - heritability), size=len(people))
        values[trait] = genetic + noise[first]
        for record, effect, share in zip(
            causal, effects, dosages(causal).mean(axis=1) / 2, strict=True
        ):
            place = (
                f"{record.contig}\t{record.position}\t{record.id}\t{record.ref}\t{record.alts[0]}"
            )
            causal_lines.append(f"{trait}\t{place}\t{effect:.4f}\t{share:.4f}\t{heritability}")
    threshold = np.quantile(values["disease"], 0.7)
    lines = ["sample\tbiomarker\tdisease"]
    for person, marker, liability in zip(people, *values.values(), strict=True):
        shifted = marker + 0.3 * (person.sex == "M") + 0.01 * (person.age - 50)
        lines.append(f"{person.sample}\t{shifted:.4f}\t{int(liability > threshold)}")
    return lines, causal_lines


def truth_lines(people: list[Person]) -> list[str]:
    """Everything planted in people: sample, population, genetic sex, kind and detail."""
    planted = [(copy, "duplicate", f"of {original}") for copy, original in DUPLICATES.items()]
    planted += [
        (CHILD, "trio_child", f"mother {MOTHER}, father {FATHER}"),
        (MOTHER, "trio_mother", f"child {CHILD}"),
        (FATHER, "trio_father", f"child {CHILD}"),
        (SEX_MISMATCH, "sex_mismatch", "declared F"),
        (LOW_CALL_SAMPLE, "low_call_rate", str(LOW_CALL_RATE)),
        (HFE_HOMOZYGOTE, "hfe_homozygote", "chr6:26092913:G:A"),
        *((sample, "not_called", "rs429358") for sample in APOE_NOT_CALLED),
    ]
    person = {person.sample: person for person in people}
    return [
        "sample\tpopulation\tsex\tkind\tdetail",
        *(
            f"{sample}\t{person[sample].population}\t{person[sample].sex}\t{kind}\t{detail}"
            for sample, kind, detail in planted
        ),
    ]


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write text with line feeds."""
    path.write_text("\n".join(lines) + "\n", encoding="ascii", newline="")


def main(directory: Path) -> None:
    """Write the cohort and its tables into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    people = make_people(rng)
    background = simulate(CHR22, 1.0, 6_500, 2_500, rng)
    make_spanning_deletions(background, 15, rng)
    make_indels(background, 0.05, rng)
    name_and_filter(background, "bg", rng)
    on_x = simulate(CHRX, 0.75, 500, 200, rng)
    name_and_filter(on_x, "x", rng)
    panel = make_panel(rng)
    taken = {(record.contig, record.position) for record in panel}
    background = [r for r in background if (r.contig, r.position) not in taken]
    for records in (background, on_x):
        add_relatives(records, people, rng)
    for i, record in enumerate(panel):  # one by one, but APOE's two as a haplotype
        if record.id != "rs7412":
            together = panel[i : i + 2] if record.id == "rs429358" else [record]
            add_relatives(together, people, rng)
    plant_homozygote(panel, people)
    traits, causal = make_traits(background, people, rng)
    write_vcf(directory / "cohort.vcf.gz", [*background, *on_x, *panel], people, rng)
    declared = {p.sample: "F" if p.sample == SEX_MISMATCH else p.sex for p in people}
    write_lines(
        directory / "samples.tsv",
        ["sample\tpopulation\tsex"]
        + [f"{p.sample}\t{p.population}\t{declared[p.sample]}" for p in people],
    )
    write_lines(
        directory / "cohort.psam",
        ["#IID\tSEX\tpopulation"]
        + [f"{p.sample}\t{'MF'.index(declared[p.sample]) + 1}\t{p.population}" for p in people],
    )
    write_lines(
        directory / "covariates.tsv",
        ["sample\tage\tsex"] + [f"{p.sample}\t{p.age}\t{declared[p.sample]}" for p in people],
    )
    write_lines(directory / "traits.tsv", traits)
    write_lines(directory / "causal.tsv", causal)
    write_lines(directory / "truth.tsv", truth_lines(people))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "data")
