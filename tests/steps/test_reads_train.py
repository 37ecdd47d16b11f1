"""`genomed reads train` from alignments to a bundle that calls."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pysam
import pytest
from call_cases import write_training_reads

from genomed.errors import InputError
from genomed.features.call_sites import iter_called_tiles
from genomed.io.alignments import AlignmentReader
from genomed.io.call_bundle import open_call_bundle, write_call_bundle
from genomed.io.fasta import Fasta
from genomed.settings import CallSettings, CallTrainSettings
from genomed.steps.reads_call_model import load_call_model
from genomed.steps.reads_train import TrainingReads, run_reads_train
from genomed.steps.reads_train_data import ThinnedReads, gather_sites, join_sites

SETTINGS = CallTrainSettings(n_epochs=1, depths=(5.0,), block_bp=10_000, batch_sites=128)


@pytest.fixture(scope="module")
def reads(tmp_path_factory: pytest.TempPathFactory) -> TrainingReads:
    paths = write_training_reads(tmp_path_factory.mktemp("reads"), 4)
    names = ("reads.bam", "ref.fa", "truth.vcf", "confident.bed")
    return TrainingReads(*(paths[name] for name in names))


@pytest.fixture(scope="module")
def bundle(reads: TrainingReads, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("caller") / "caller"
    run_reads_train([reads], out, SETTINGS)
    return out


def test_sites_are_labelled_at_every_depth(reads: TrainingReads) -> None:
    own, thin = gather_sites(reads, SETTINGS)
    assert own.depth == pytest.approx(12, rel=0.02)
    assert thin.depth == 5
    for source, least in ((own, 0.85), (thin, 0.65)):
        best = source.data.loglik.argmax(axis=1)
        true = source.data.truth > 0
        assert (best[true] == source.data.truth[true]).mean() > least
        assert source.data.is_indel[true].mean() == pytest.approx(0.2, abs=0.08)
    assert (own.data.truth > 0).sum() > 350
    assert set(thin.data.block.tolist()) <= set(own.data.block.tolist())


def test_sites_that_are_like_the_reference_count_as_often_as_asked(reads: TrainingReads) -> None:
    settings = replace(SETTINGS, depths=())
    (one,) = gather_sites(reads, settings)
    (three,) = gather_sites(replace(reads, enriched=3.0), settings)
    n_ref = int((one.data.truth == 0).sum())
    assert three.data.weight[three.data.truth == 0].sum() == 3 * n_ref > 0
    assert (three.data.weight[three.data.truth > 0] == 1).all()


def test_thinned_reads_are_some_of_the_reads(reads: TrainingReads) -> None:
    reader = AlignmentReader(reads.reads)
    thinned = ThinnedReads(reader, 0.25, 1)
    n, n_thin = (sum(len(block.place) for block in r.blocks()) for r in (reader, thinned))
    assert n_thin / n == pytest.approx(0.25, abs=0.02)
    assert thinned.contigs == reader.contigs


def test_a_bundle_calls_what_it_was_trained_on(reads: TrainingReads, bundle: Path) -> None:
    model = load_call_model(bundle)
    reader, fasta = AlignmentReader(reads.reads), Fasta(reads.reference)
    tiles = iter_called_tiles(reader, fasta, None, CallSettings())
    sites = join_sites([tile.sites for tile in tiles])
    said = model.genotype_log_probability(sites)
    assert said.shape == (len(sites.table), 6)
    np.testing.assert_allclose(np.exp(said.astype(np.float64)).sum(axis=1), 1, atol=1e-5)


def test_the_card_and_the_facts_say_what_was_kept(bundle: Path) -> None:
    opened = open_call_bundle(bundle)
    assert opened.facts["verdict"] in opened.card
    assert {v["stage"] for v in opened.facts["verdicts"]} >= {"pileup net for snps"}
    assert [s["depth"] for s in opened.facts["sources"]] == [pytest.approx(12, rel=0.02), 5.0]
    assert opened.facts["provenance"]["inputs"]


def test_the_same_reads_and_seed_give_the_same_bytes(
    reads: TrainingReads, bundle: Path, tmp_path: Path
) -> None:
    run_reads_train([reads], tmp_path / "again", SETTINGS)
    for name in ("weights.safetensors", "model.json", "CARD.md"):
        assert (tmp_path / "again" / name).read_bytes() == (bundle / name).read_bytes()


def test_a_library_to_judge_by_is_not_learned_from(reads: TrainingReads, tmp_path: Path) -> None:
    paths = write_training_reads(tmp_path / "judge", 5)
    names = ("reads.bam", "ref.fa", "truth.vcf", "confident.bed")
    judge = TrainingReads(*(paths[name] for name in names))
    settings = replace(SETTINGS, depths=(), max_matrices=0)
    facts = run_reads_train(
        [reads, judge], tmp_path / "caller", settings, judge_by=[judge.reads]
    ).facts
    n_learned, n_judged = (source["sites"] for source in facts["sources"])
    assert facts["sites"]["judge"] == n_judged
    assert facts["sites"]["learn"] + facts["sites"]["stop"] == n_learned
    assert f"all of {judge.reads}" in open_call_bundle(tmp_path / "caller").card
    assert "libraries that nothing was learned from" in facts["verdict"]


def test_a_changed_or_foreign_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    changed.mkdir()
    for path in bundle.iterdir():
        (changed / path.name).write_bytes(path.read_bytes())
    (changed / "weights.safetensors").write_bytes(b"\0" * 40)
    with pytest.raises(InputError, match="changed or damaged"):
        load_call_model(changed)
    write_call_bundle(tmp_path / "other", tensors={}, facts={"name": "x"}, card="x")
    with pytest.raises(InputError, match=r"cannot be used .* --model none"):
        load_call_model(tmp_path / "other")


def test_too_little_to_learn_from_is_said(reads: TrainingReads, tmp_path: Path) -> None:
    bed = tmp_path / "small.bed"
    bed.write_text("1\t1000\t2000\n")
    with pytest.raises(InputError, match="too little to learn from"):
        run_reads_train([replace(reads, confident=bed)], tmp_path / "out", SETTINGS)
    assert not (tmp_path / "out").exists()


def test_reads_of_several_people_are_refused(reads: TrainingReads, tmp_path: Path) -> None:
    two = tmp_path / "two.bam"
    with pysam.AlignmentFile(str(reads.reads)) as file:
        header = file.header.to_dict()
    header["RG"] = [{"ID": "a", "SM": "anna"}, {"ID": "b", "SM": "ben"}]
    with pysam.AlignmentFile(str(two), "wb", header=header):
        pass
    with pytest.raises(InputError, match=r"2 samples .anna, ben.; take"):
        gather_sites(replace(reads, reads=two), CallTrainSettings())


def test_a_truth_without_samples_is_refused(reads: TrainingReads, tmp_path: Path) -> None:
    truth = tmp_path / "truth.vcf"
    truth.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
    with pytest.raises(InputError, match="has no samples; give a VCF with genotypes"):
        gather_sites(replace(reads, truth=truth), CallTrainSettings())


def test_reads_of_another_reference_are_refused(reads: TrainingReads, tmp_path: Path) -> None:
    other = tmp_path / "other.fa"
    other.write_text(">7\nACGTACGT\n")
    with pytest.raises(InputError, match="reference"):
        run_reads_train([replace(reads, reference=other)], tmp_path / "out", SETTINGS)


def test_the_shipped_caller_opens_and_is_small() -> None:
    bundle = open_call_bundle(load_shipped())
    load_call_model()
    size = sum(path.stat().st_size for path in load_shipped().iterdir())
    assert size < 1 << 20
    assert json.dumps(bundle.facts["sources"])


def load_shipped() -> Path:
    from genomed.io.call_bundle import shipped_call_bundle

    return shipped_call_bundle()
