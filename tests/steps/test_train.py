"""`genomed train` end to end: what it writes, what it refuses, and that a killed run goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from packed_cohorts import array_store, write_fileset
from planted_traits import Planted, planted

from genomed.errors import InputError, UnknownNameError, UsageError
from genomed.features.design import apply
from genomed.io.model_bundle import open_model_bundle
from genomed.io.packed import open_store
from genomed.io.scorefile import read_models
from genomed.models.risk_model import RiskModel
from genomed.settings import SplitSettings, TrainSettings
from genomed.steps.train import TrainInputs, TrainSummary, run_train

SETTINGS = TrainSettings(build="GRCh38", net_epochs=2)
LINEAR = replace(SETTINGS, stages=())
SAMPLES = 1500


class Cohort:
    """A store with tables beside it: traits y (two pairs, an additive part), case, and t."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: Planted = planted(50, covariates=2)
        z = self.made.z
        value = z[5] * z[70] + z[20] * z[100] + z[:10].sum(axis=0) / np.sqrt(10)
        self.y = self.made.trait(value, 0.6)
        self.case = (self.y > np.quantile(self.y, 0.7)).astype(int)
        contigs = self.made.data.variants["contig"].to_list()
        positions = self.made.data.variants["position"].to_list()
        store = array_store(self.made.alt_count, contigs, positions)
        self.store = write_fileset(folder / "store", store)
        self.samples = store.samples
        rng = np.random.default_rng(51)
        time_ = rng.exponential(np.exp(-self.y)) * 10
        age, centre = 50 + 10 * self.made.data.covariates[:, 0], rng.choice(["A", "B"], SAMPLES)
        tables = {
            "traits": {
                "y": self.y.round(6), "case": self.case, "t_time": np.minimum(time_, 20).round(4),
                "t_event": (time_ < 20).astype(int),
            },
            "covariates": {"age": age.round(3), "centre": centre},
            "split": {"set": np.where(np.arange(SAMPLES) % 5 == 0, "test", "develop")},
            "groups": {"population": np.where(np.arange(SAMPLES) % 3 == 0, "north", "south")},
        }  # fmt: skip
        for name, columns in tables.items():
            frame = pl.DataFrame({"sample": self.samples, **columns})
            frame.write_csv(folder / f"{name}.tsv", separator="\t")

    def inputs(self, *names: str, **more: object) -> TrainInputs:
        return TrainInputs(
            store=str(self.store), traits=self.folder / "traits.tsv", names=names or ("y",),
            split=self.folder / "split.tsv", **more,
        )  # fmt: skip


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return Cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def trained(cohort: Cohort) -> tuple[TrainSummary, Path]:
    out = cohort.folder / "model"
    inputs = cohort.inputs(
        covariates=cohort.folder / "covariates.tsv", groups=str(cohort.folder / "groups.tsv")
    )
    return run_train(inputs, out, SETTINGS, threads=2), out


def test_the_bundle_predicts_what_training_did(
    cohort: Cohort, trained: tuple[TrainSummary, Path]
) -> None:
    bundle = open_model_bundle(trained[1])
    model = RiskModel.from_parts(bundle.tensors, bundle.facts["parts"], bundle.variants)
    store = open_store(cohort.store)
    rows = bundle.variants.join(
        store.variants.select("row", "contig", "position"), on=["contig", "position"],
        maintain_order="left",
    )["row"].to_numpy()  # fmt: skip
    table = pl.read_csv(cohort.folder / "covariates.tsv", separator="\t")
    design = apply(bundle.facts["covariates"]["encoder"], table)
    found = model.predict(store.read(rows), store.n_samples, design.matrix.astype(np.float64))
    said = pl.read_csv(f"{trained[1]}.training/predictions.tsv.gz", separator="\t")
    test = (said["set"] == "test").to_numpy()
    np.testing.assert_allclose(found.full[test], said["full_predictor"].to_numpy()[test], atol=1e-4)
    np.testing.assert_allclose(
        found.linear[test], said["linear_predictor"].to_numpy()[test], atol=1e-4
    )


def test_planted_pairs_are_in_the_model_and_the_test_shows_it(
    trained: tuple[TrainSummary, Path],
) -> None:
    summary, out = trained
    assert "pairs" in summary.traits[0].kept
    gain = summary.traits[0].gain
    assert gain is not None
    assert gain["low"] > 0
    assert gain["measure"] == "r2"
    pairs = pl.read_csv(f"{out}.training/pairs.tsv", separator="\t")
    assert "1:6000:A:C" in pairs["variant1"].to_list()
    assert "3:71000:A:C" in pairs["variant2"].to_list()


def test_the_linear_part_is_a_scoring_file(trained: tuple[TrainSummary, Path]) -> None:
    bundle = open_model_bundle(trained[1])
    (model,) = read_models(bundle.scoring_file, name="y")
    weight = dict(bundle.variants.select("position", "effect_weight").iter_rows())
    loci = model.loci["GRCh38"]["position"].to_list()
    assert model.variants["effect_weight"].to_list() == [weight[p] for p in loci]
    assert model.variants["effect_allele"].unique().to_list() == ["C"]


def test_the_card_tells_people_stages_groups_and_figures(
    trained: tuple[TrainSummary, Path],
) -> None:
    card = open_model_bundle(trained[1]).card
    assert "Beyond the linear model, pairs" in card
    assert "north 400, south 800" in card
    assert "| all | 300 | r2 |" in card
    assert "| pairs | yes |" in card


def test_several_traits_give_a_bundle_each(cohort: Cohort, tmp_path: Path) -> None:
    summary = run_train(cohort.inputs("y", "case"), tmp_path / "models", LINEAR, threads=2)
    assert [one.trait.kind for one in summary.traits] == ["quantitative", "binary"]
    for name in ("y", "case"):
        assert open_model_bundle(tmp_path / "models" / name).name == name


def test_times_to_an_event_are_learned(cohort: Cohort, tmp_path: Path) -> None:
    run_train(cohort.inputs("t"), tmp_path / "model", LINEAR, threads=2)
    bundle = open_model_bundle(tmp_path / "model")
    model = RiskModel.from_parts(bundle.tensors, bundle.facts["parts"], bundle.variants)
    assert model.kind == "survival"
    assert len(model.baseline) == len(model.edges) - 1
    said = pl.read_csv(tmp_path / "model.training" / "predictions.tsv.gz", separator="\t")
    truth = pl.DataFrame({"sample": cohort.samples, "y": cohort.y})
    both = said.filter(pl.col("set") == "test").join(truth, on="sample")
    assert float(np.corrcoef(both["full_predictor"], both["y"])[0, 1]) > 0.3  # hazard rises with y


def test_the_same_run_gives_the_same_bytes_whatever_the_threads(
    cohort: Cohort, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, stages=("pairs", "net"))
    for threads in (1, 2):
        run_train(cohort.inputs("case"), tmp_path / f"{threads}.zip", settings, threads=threads)
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


def test_without_a_test_there_are_no_figures(cohort: Cohort, tmp_path: Path) -> None:
    settings = replace(LINEAR, split=SplitSettings(test_fraction=0))
    inputs = replace(cohort.inputs(), split=None)
    summary = run_train(inputs, tmp_path / "model", settings, threads=2)
    assert summary.traits[0].gain is None
    assert "No test people were set aside" in open_model_bundle(tmp_path / "model").card


def command(cohort: Cohort, out: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "genomed", "train", str(cohort.store), "--traits",
        str(cohort.folder / "traits.tsv"), "--trait", "y", "--split",
        str(cohort.folder / "split.tsv"), "--covariates", str(cohort.folder / "covariates.tsv"),
        "--build", "GRCh38", "--out", str(out), "--threads", "1", "--net-epochs", "2", *more,
    ]  # fmt: skip


def test_a_killed_run_goes_on_to_the_same_bytes(cohort: Cohort, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.zip", tmp_path / "killed.zip"
    subprocess.run(command(cohort, whole), check=True, capture_output=True)
    kept = tmp_path / "killed.checkpoints"
    for sign in ("trait-0/linear.safetensors", "trait-0/pairs.safetensors", "net/progress.json"):
        process = subprocess.Popen(
            command(cohort, killed, "--resume"), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while not (kept / sign).exists() and process.poll() is None:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not killed.exists()
    subprocess.run(command(cohort, killed, "--resume"), check=True, capture_output=True)
    assert killed.read_bytes() == whole.read_bytes()
    assert not kept.exists()


def test_a_run_with_other_settings_is_not_resumed(cohort: Cohort, tmp_path: Path) -> None:
    inputs, out = cohort.inputs(), tmp_path / "model"
    memory = tmp_path / "model.checkpoints" / "trait-0"
    memory.mkdir(parents=True)
    run_train(inputs, tmp_path / "other", LINEAR, threads=2)
    process = subprocess.Popen(command(cohort, out), stderr=subprocess.DEVNULL)
    while not (memory / "linear.safetensors").exists() and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    with pytest.raises(InputError, match="other data, settings or versions; remove"):
        run_train(inputs, out, replace(LINEAR, accept_z=3), resume=True)


def test_labels_that_do_not_vary_are_refused(cohort: Cohort, tmp_path: Path) -> None:
    path = tmp_path / "traits.tsv"
    pl.DataFrame({"sample": cohort.samples, "y": 1.5}).write_csv(path, separator="\t")
    with pytest.raises(InputError, match="y"):
        run_train(replace(cohort.inputs(), traits=path), tmp_path / "model", LINEAR)
    assert not (tmp_path / "model").exists()


def test_a_trait_that_is_not_there_is_refused_by_name(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="height"):
        run_train(cohort.inputs("height"), tmp_path / "model", LINEAR)


def test_a_trait_among_the_covariates_is_refused(cohort: Cohort, tmp_path: Path) -> None:
    inputs = cohort.inputs(covariates=cohort.folder / "traits.tsv")
    with pytest.raises(UsageError, match="is the trait to be predicted"):
        run_train(inputs, tmp_path / "model", LINEAR)


def test_a_covariate_that_equals_the_trait_is_warned_of(cohort: Cohort, tmp_path: Path) -> None:
    path = tmp_path / "covariates.tsv"
    pl.DataFrame({"sample": cohort.samples, "hint": 2 * cohort.y}).write_csv(path, separator="\t")
    summary = run_train(cohort.inputs(covariates=path), tmp_path / "model", LINEAR, threads=2)
    assert any("hint" in warning and "y" in warning for warning in summary.warnings)
    assert "hint" in json.dumps(open_model_bundle(tmp_path / "model").facts["warnings"])


def test_a_store_of_unknown_build_is_refused(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give --build"):
        run_train(cohort.inputs(), tmp_path / "model", replace(LINEAR, build=None))
