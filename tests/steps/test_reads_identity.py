"""Files of a family, one contaminated and two exchanged, are named for what they are."""

import numpy as np
import polars as pl
import pytest
from packed_cohorts import array_store, write_fileset
from simulated_reads import (
    child_of,
    haplotypes_of,
    simulated_sites,
    write_bam,
    write_panel,
)

from genomed.errors import InputError
from genomed.io.alignments import AlignmentReader
from genomed.steps.reads_identity import Person, identify, open_panel

FAMILY = ("father", "mother", "child", "brother", "stranger")


def read_identities(readers, panel):
    """Whose reads the files have, each named by its sample."""
    people = []
    for reader in readers:
        counter = panel.counter(reader.contigs)
        for block in reader.blocks():
            counter.add(block)
        people.append(Person(reader.path, *reader.samples, counter.finish()))
    return identify(people, panel)


def write_store(prefix, sites, counts, names):
    """A fileset of these people at the sites."""
    bases = np.array(list("ACGT"))
    store = array_store(counts, positions=(sites.start + 1).tolist())
    store.variants = store.variants.with_columns(ref=bases[sites.ref], alt=bases[sites.alt])
    store.people = store.people.with_columns(sample=pl.Series(names))
    return write_fileset(prefix, store)


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    """The panel, the store's prefix, and a maker of files of reads."""
    folder = tmp_path_factory.mktemp("family")
    rng = np.random.default_rng(21)
    sites = simulated_sites(2000, rng)
    people = {name: haplotypes_of(sites, rng) for name in ("father", "mother", "stranger")}
    for name in ("child", "brother"):
        people[name] = child_of(people["father"], people["mother"], rng)
    panel = write_panel(folder / "panel.vcf", sites)
    names = list(FAMILY)
    counts = np.stack([people[name].sum(axis=0) for name in names], axis=1).astype(np.int8)
    store = write_store(folder / "store", sites, counts, names)

    def reads(name, of, depth=20, share=0.0, of_other="stranger"):
        path = folder / f"{name}-{of}-{depth}-{share}.bam"
        if not path.exists():
            mixture = [people[of], people[of_other]]
            write_bam(path, name, sites, mixture, [1 - share, share], depth, rng)
        return AlignmentReader(path)

    return panel, store, reads


def test_relations_of_files_are_those_of_the_people(family):
    panel, _, reads = family
    found = read_identities([reads(name, name) for name in FAMILY], open_panel(panel))
    relation = {
        (row["sample1"], row["sample2"]): row["relation"]
        for row in found.pairs.iter_rows(named=True)
    }
    for child in ("child", "brother"):
        assert relation["father", child] == relation["mother", child] == "parent_child"
        assert relation[child, "stranger"] == "unrelated"
    assert relation["child", "brother"] == "siblings"
    assert relation["father", "mother"] == "unrelated"
    assert set(found.pairs["verdict"]) == {"as_named"}
    assert found.warnings == []
    assert found.files["contamination"].max() < 0.005


def test_two_files_of_one_person_are_found_at_a_depth_of_one_half(family):
    panel, _, reads = family
    found = read_identities(
        [reads("father", "father", 0.5), reads("mother", "father", 0.5)], open_panel(panel)
    )
    assert found.pairs["king"].to_list() == [None]
    assert found.pairs["relation"].to_list() == ["duplicate"]
    assert found.pairs["verdict"].to_list() == ["same_person"]
    assert "named father and mother, but of the same person" in found.warnings[0]


def test_exchanged_files_are_named_by_a_store(family):
    panel, store, reads = family
    found = read_identities(
        [reads("father", "stranger"), reads("stranger", "father"), reads("mother", "mother")],
        open_panel(panel, store),
    )
    assert found.files["identity"].to_list() == ["swapped", "swapped", "confirmed"]
    assert found.files["best_match"].to_list() == ["stranger", "father", "mother"]
    assert (
        "the reads named father are those of stranger, and those named stranger are"
        in (found.warnings[0])
    )
    own = found.matches.filter(found.matches["match"] == found.matches["sample"])
    assert own["relation"].to_list() == ["unrelated", "unrelated", "duplicate"]


def test_a_person_whom_the_store_does_not_have_is_nobody_of_it(family, tmp_path):
    panel, store, reads = family
    others = read_identities([reads("child", "brother")], open_panel(panel, store))
    assert others.files["best_match"].to_list() == ["brother"]
    rng = np.random.default_rng(5)
    sites = simulated_sites(2000, np.random.default_rng(21))
    path = write_bam(tmp_path / "x.bam", "x", sites, [haplotypes_of(sites, rng)], [1.0], 8, rng)
    new = read_identities([AlignmentReader(path)], open_panel(panel, store))
    assert new.files["identity"].to_list() == ["not_in_store"]
    assert new.files["best_match"].to_list() == [None]


def test_contamination_is_warned_of_and_leaves_the_person_known(family):
    panel, store, reads = family
    found = read_identities([reads("mother", "mother", 20, 0.1)], open_panel(panel, store))
    assert found.files["contamination"][0] == pytest.approx(0.1, abs=0.01)
    assert "are those of stranger of the store" in found.warnings[0]
    assert found.files["contaminant"].to_list() == ["stranger"]
    assert found.files["identity"].to_list() == ["confirmed"]
    alone = read_identities([reads("mother", "mother", 20, 0.1)], open_panel(panel))
    assert "another person's" in alone.warnings[0]
    assert alone.files["contaminant"].to_list() == [None]


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_reads_with_a_few_of_another_are_still_the_named_persons_by_few_sites(
    tmp_path, seed
) -> None:
    rng = np.random.default_rng(seed)
    sites = simulated_sites(120, rng)
    people = [haplotypes_of(sites, rng) for _ in range(20)]
    counts = np.stack([p.sum(axis=0) for p in people], axis=1).astype(np.int8)
    store = write_store(tmp_path / "store", sites, counts, [f"p{i}" for i in range(20)])
    panel = open_panel(write_panel(tmp_path / "panel.vcf", sites), store)
    path = write_bam(tmp_path / "p0.bam", "p0", sites, people[:2], [0.85, 0.15], 20, rng)
    found = read_identities([AlignmentReader(path)], panel)
    assert found.files["identity"].to_list() == ["confirmed"]
    assert found.matches["relation"][0] == "duplicate"


def test_a_store_of_many_people_names_the_other_one_among_them(family, tmp_path):
    panel, _, _ = family
    rng = np.random.default_rng(6)
    sites = simulated_sites(2000, np.random.default_rng(21))
    people = [haplotypes_of(sites, rng) for _ in range(120)]
    counts = np.stack([p.sum(axis=0) for p in people], axis=1).astype(np.int8)
    names = [f"p{i}" for i in range(120)]
    store = write_store(tmp_path / "many", sites, counts, names)
    path = write_bam(
        tmp_path / "p3.bam", "p3", sites, [people[3], people[77]], [0.95, 0.05], 25, rng
    )
    found = read_identities([AlignmentReader(path)], open_panel(panel, store)).files.row(
        0, named=True
    )
    assert found["identity"] == "confirmed"
    assert found["contaminant"] == "p77"
    assert found["contamination"] == pytest.approx(0.05, abs=0.005)


def test_a_store_with_exchanged_alleles_gives_the_same(family, tmp_path):
    panel, store, reads = family
    lines = panel.read_text().splitlines()
    turned = []
    for line in lines:
        cells = line.split("\t")
        if not line.startswith("#"):
            cells[3], cells[4] = cells[4], cells[3]
            cells[7] = f"AF={1 - float(cells[7][3:]):.4f}"
        turned.append("\t".join(cells))
    other = tmp_path / "turned.vcf"
    other.write_text("\n".join(turned) + "\n")
    straight = read_identities([reads("child", "child")], open_panel(panel, store))
    found = read_identities([reads("child", "child")], open_panel(other, store))
    assert found.files["identity"].to_list() == ["confirmed"]
    assert found.matches["log_odds"].to_list() == pytest.approx(
        straight.matches["log_odds"].to_list(), rel=1e-6
    )


def test_a_panel_without_frequencies_is_refused_unless_a_store_gives_them(family, tmp_path):
    panel, store, _ = family
    bare = tmp_path / "bare.vcf"
    text = panel.read_text().splitlines()
    bare.write_text("\n".join(
        line if line.startswith("#") else "\t".join([*line.split("\t")[:7], "."]) for line in text
    ) + "\n")  # fmt: skip
    with pytest.raises(InputError, match="has no frequencies; add AF to INFO"):
        open_panel(bare)
    assert not np.isnan(open_panel(bare, store).sites.frequency).any()


def test_a_store_on_other_positions_is_refused(family, tmp_path):
    _, store, _ = family
    other = write_panel(tmp_path / "other.vcf", simulated_sites(500, np.random.default_rng(1),
                        contig="2"))  # fmt: skip
    with pytest.raises(InputError, match="has 0 of the 500 sites"):
        open_panel(other, store)
