"""A published trait on real genotypes: `train` and `explain` name the variants and the pairs it is
made of.

VariantSpark's HipsterIndex (aehrc/VariantSpark) is (2 + rs2218065)(1.5 + rs1363387) +
(0.5 + rs4410790)(1 + rs4864809) of the copies of ALT, on 17,010 variants of 1000 Genomes people;
its label is an index above 10.
"""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from datafiles import shared_data

from genomed.io.packed import open_store
from genomed.kernels.packed import unpack_rows
from genomed.settings import ConvertSettings, ExplainSettings, TrainSettings
from genomed.steps.convert import ConvertInputs, run_convert
from genomed.steps.explain import ExplainInputs, run_explain
from genomed.steps.train import run_train
from genomed.steps.train_data import TrainInputs

HIPSTER = "cohort/variantspark_hipster/"
PAIRS = [{"rs2218065", "rs1363387"}, {"rs4410790", "rs4864809"}]
CAUSAL = sorted(set.union(*PAIRS))
STANDS_FOR = 0.95  # r2 with a causal variant


class Hipster:
    """The store, its traits, and which variants stand for a causal one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        calls = shared_data(HIPSTER + "hipster.vcf.bgz")
        labels = pl.read_csv(shared_data(HIPSTER + "hipster_labels.txt"))
        labels.rename({"samples": "sample"}).write_csv(folder / "traits.tsv", separator="\t")
        self.store = folder / "plain"
        self._convert(calls, folder / "all", None)
        table = open_store(folder / "all").variants
        bases = table.filter(pl.all_horizontal(pl.col("ref", "alt").str.contains("^[ACGT]+$")))
        names = bases.select(pl.concat_str("contig", "position", "ref", "alt", separator=":"))
        (folder / "plain.txt").write_text("\n".join(names.to_series()) + "\n")
        self._convert(calls, self.store, folder / "plain.txt")

    def _convert(self, calls: Path, out: Path, variants: Path | None) -> None:
        run_convert(ConvertInputs([str(calls)], variants=variants), out, ConvertSettings())

    def explained(self, trait: str) -> tuple[list[str], list[set[str]]]:
        """The variants and the pairs that move most, those that move most first."""
        settings = TrainSettings(build="GRCh37", min_maf=0.02, stages=("pairs",))
        inputs = TrainInputs(str(self.store), self.folder / "traits.tsv", (trait,))
        model, out = self.folder / trait, self.folder / f"{trait}-out"
        run_train(inputs, model, settings, threads=2)
        found = run_explain(
            ExplainInputs(str(model), str(self.store)), out, ExplainSettings(build="GRCh37")
        ).page
        pairs = found.pairs.filter(pl.col("kind") == "pair").select("first", "second").rows()
        return found.variants["variant"].to_list(), [set(pair) for pair in pairs]

    def causal(self, names: set[str]) -> set[str]:
        """The causal variants that these are, or stand for."""
        store = open_store(self.store)
        ids = store.variants["id"].to_list()
        wanted = [*CAUSAL, *sorted(names)]
        calls = np.empty((len(wanted), store.n_samples), np.int8)
        unpack_rows(store.read(np.array([ids.index(one) for one in wanted])), len(calls[0]), calls)
        r2 = np.corrcoef(calls.astype(float))[:4] ** 2
        return {CAUSAL[k] for k in np.argwhere(r2[:, 4:] >= STANDS_FOR)[:, 0].tolist()}


@pytest.fixture(scope="module")
def hipster(tmp_path_factory: pytest.TempPathFactory) -> Hipster:
    return Hipster(tmp_path_factory.mktemp("hipster"))


@pytest.mark.slow
def test_the_index_is_explained_by_its_four_variants_and_two_pairs(hipster: Hipster) -> None:
    variants, pairs = hipster.explained("score")
    assert set(variants[:4]) == set(CAUSAL)
    assert all(pair in pairs[:2] for pair in PAIRS)


@pytest.mark.slow
def test_the_label_is_explained_by_them_or_what_stands_for_them(hipster: Hipster) -> None:
    variants, pairs = hipster.explained("label")
    assert hipster.causal(set(variants[:5])) == set(CAUSAL)
    named = [hipster.causal(pair) for pair in pairs[:2]]
    assert all(pair in named for pair in PAIRS)
