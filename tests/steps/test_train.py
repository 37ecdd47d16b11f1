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
import torch
from packed_cohorts import array_store, write_fileset
from small_cohorts import score
from train_cohort import Cohort

from genomed.errors import InputError, UnfitError, UnknownNameError, UsageError
from genomed.features.design import apply
from genomed.io.model_bundle import open_model_bundle
from genomed.io.packed import open_store
from genomed.io.scorefile import read_models
from genomed.io.traits import Trait
from genomed.models.families import Survival
from genomed.models.risk_model import RiskModel
from genomed.settings import EvaluateSettings, SplitSettings, TrainSettings, TraitSettings
from genomed.stats.calibration import SurvivalCalibration, calibration_from_dict
from genomed.steps.evaluate import EvaluateInputs, run_evaluate
from genomed.steps.train import TrainSummary, run_train
from genomed.steps.train_data import family_of

SPLIT = SplitSettings(n_folds=3)
SETTINGS = TrainSettings(build="GRCh38", net_epochs=2, split=SPLIT)
LINEAR = replace(SETTINGS, stages=())


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
    assert "north 267, south 533" in card
    assert "| all | 200 | r2 |" in card
    assert "| pairs | yes |" in card


def test_several_traits_give_a_bundle_each(cohort: Cohort, tmp_path: Path) -> None:
    settings = replace(LINEAR, traits=TraitSettings(few=500))
    summary = run_train(cohort.inputs("y", "case"), tmp_path / "models", settings, threads=2)
    assert [one.trait.kind for one in summary.traits] == ["quantitative", "binary"]
    few = "case has only "
    assert sum(few in warning for warning in summary.warnings) == 1
    for name in ("y", "case"):
        bundle = open_model_bundle(tmp_path / "models" / name)
        assert bundle.name == name
        assert (few in bundle.card) == (name == "case")


def test_times_to_an_event_are_learned(cohort: Cohort, tmp_path: Path) -> None:
    run_train(cohort.inputs("t"), tmp_path / "model", LINEAR, threads=2)
    bundle = open_model_bundle(tmp_path / "model")
    model = RiskModel.from_parts(bundle.tensors, bundle.facts["parts"], bundle.variants)
    assert model.kind == "survival"
    assert len(model.baseline) == len(model.edges) - 1
    said = pl.read_csv(tmp_path / "model.training" / "predictions.tsv.gz", separator="\t")
    truth = pl.DataFrame({"sample": cohort.samples, "hazard": cohort.hazard})
    both = said.filter(pl.col("set") == "test").join(truth, on="sample")
    assert float(np.corrcoef(both["full_predictor"], both["hazard"])[0, 1]) > 0.6
    calibration = calibration_from_dict(bundle.facts["calibration"])
    assert isinstance(calibration, SurvivalCalibration)
    found = calibration.apply(said["full_predictor"].to_numpy())
    for name, values in zip(("", "_low", "_high"), found, strict=True):
        np.testing.assert_allclose(said[f"prediction{name}"], values, rtol=1e-4)
    by_time = [name for name in said.columns if name.startswith("risk_by_")]
    edges = [float(name.removeprefix("risk_by_")) for name in by_time]
    assert edges == model.edges[1:].tolist()
    np.testing.assert_allclose(said[by_time[-1]], said["prediction"], rtol=1e-4)
    measures = {row["measure"]: row["value"] for row in bundle.facts["metrics"]
                if (row["group"], row["model"]) == ("all", "full")}  # fmt: skip
    assert 0.8 < measures["observed_expected"] < 1.25
    table = said.filter(pl.col("set") == "test").join(
        pl.read_csv(cohort.folder / "traits.tsv", separator="\t"), on="sample"
    )
    assert measures["c_index"] == pytest.approx(concordance(table), abs=1e-12)
    assert measures["integrated_calibration"] < 0.1
    truth = cohort.folder / "traits.tsv"
    inputs = EvaluateInputs(
        tmp_path / "model.training" / "predictions.tsv.gz",
        truth,
        trait="t",
        prediction=("prediction",),
    )
    again = run_evaluate(inputs, tmp_path / "evaluated", EvaluateSettings(n_draws=0)).page.metrics
    told = dict(again.select("measure", "value").iter_rows())
    assert told["observed_expected"] == pytest.approx(measures["observed_expected"], rel=1e-3)
    assert told["integrated_brier"] == pytest.approx(measures["integrated_brier"], rel=1e-3)


def concordance(table: pl.DataFrame) -> float:
    """Harrell's C of the column prediction, pair by pair."""
    time, event, risk = (table[c].to_numpy() for c in ("t_time", "t_event", "prediction"))
    pair = (event == 1)[:, None] & (time[:, None] < time[None, :])
    apart = np.sign(risk[:, None] - risk[None, :])
    return float(((apart[pair] + 1) / 2).mean())


def test_noise_tells_everybody_the_average_and_says_so(cohort: Cohort, tmp_path: Path) -> None:
    noise = np.random.default_rng(3).normal(size=len(cohort.samples))
    table = pl.DataFrame({"sample": cohort.samples, "y": noise})
    table.write_csv(tmp_path / "traits.tsv", separator="\t")
    inputs = replace(cohort.inputs(), traits=tmp_path / "traits.tsv")
    summary = run_train(inputs, tmp_path / "model", LINEAR)
    assert any("everybody is told the average" in warning for warning in summary.warnings)
    assert summary.traits[0].predictions["prediction"].n_unique() == 1
    bundle = open_model_bundle(tmp_path / "model")
    assert bundle.variants.is_empty()
    run = score(f"{cohort.store}.pgen", [tmp_path / "model"], tmp_path / "risk", build="GRCh38")
    told = summary.traits[0].predictions["prediction"][0]
    np.testing.assert_allclose(run.scores(column="prediction"), told, rtol=1e-6)


def test_who_came_late_is_not_at_risk_before() -> None:
    value, time = np.array([1.0, 0, 1, 1]), np.array([1.0, 4, 3, 4])
    whole = family_of(Trait("t", "survival", value, time))
    late = family_of(Trait("t", "survival", value, time, np.array([0.0, 2.9, 0, 0])))
    assert isinstance(whole, Survival)
    assert isinstance(late, Survival)
    assert whole.at_risk.sum(axis=0).tolist()[0] == 4
    assert late.at_risk.sum(axis=0).tolist()[0] == 3


def test_the_same_run_gives_the_same_bytes_whatever_the_threads_and_the_time_left(
    cohort: Cohort, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, stages=("pairs", "net"))
    for threads, budget in ((1, None), (2, 1e6)):
        run_train(
            cohort.inputs("case"), tmp_path / f"{threads}.zip", settings, threads=threads,
            time_budget=budget,
        )  # fmt: skip
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


def test_without_a_test_there_are_no_figures(cohort: Cohort, tmp_path: Path) -> None:
    settings = replace(LINEAR, split=SplitSettings(n_folds=3, test_fraction=0))
    inputs = replace(cohort.inputs(), split=None)
    summary = run_train(inputs, tmp_path / "model", settings, threads=2)
    assert summary.traits[0].gain is None
    assert "No test people were set aside" in open_model_bundle(tmp_path / "model").card


def started(cohort: Cohort, out: Path) -> subprocess.Popen[bytes]:
    """A training of its own process, as SETTINGS has it but for stages and epochs."""
    command = [
        sys.executable, "-m", "genomed", "train", str(cohort.store), "--traits",
        str(cohort.folder / "traits.tsv"), "--trait", "y", "--split",
        str(cohort.folder / "split.tsv"), "--covariates", str(cohort.folder / "covariates.tsv"),
        "--build", "GRCh38", "--out", str(out), "--threads", "1", "--net-epochs", "4",
        "--folds", "3", "--stages", "pairs,net", "--resume",
    ]  # fmt: skip
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def read_lines(directory: Path) -> list[str]:
    return (directory / "log.jsonl").read_text().splitlines()


def test_a_killed_run_goes_on_to_the_same_bytes(cohort: Cohort, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.zip", tmp_path / "killed.zip"
    inputs = cohort.inputs(covariates=cohort.folder / "covariates.tsv")
    settings = replace(SETTINGS, stages=("pairs", "net"), net_epochs=4)
    run_train(inputs, whole, settings)
    kept = tmp_path / "killed.checkpoints"
    process = started(cohort, killed)
    while not (kept / "net/epoch-0002.safetensors").exists() and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not killed.exists()
    logged = [json.loads(line)["epoch"] for line in read_lines(tmp_path / "killed.training")]
    assert logged[:3] == [0, 1, 2]
    assert len(logged) < 5
    run_train(inputs, killed, settings, resume=True)
    assert killed.read_bytes() == whole.read_bytes()
    for name in ("killed", "whole"):
        lines = [json.loads(line) for line in read_lines(tmp_path / f"{name}.training")]
        assert [line["epoch"] for line in lines] == list(range(len(lines)))
        assert {"gain", "gate", "seconds_left_at_most"} <= lines[-1].keys()
    assert not kept.exists()


def test_a_run_with_other_settings_is_not_resumed(cohort: Cohort, tmp_path: Path) -> None:
    inputs, out = cohort.inputs(), tmp_path / "model"

    def stop(what: str, share: float) -> None:
        if what == "pairs":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_train(inputs, out, replace(SETTINGS, stages=("pairs",)), progress=stop)
    assert (tmp_path / "model.checkpoints" / "trait-0" / "linear.safetensors").is_file()
    with pytest.raises(InputError, match="other data, settings or versions; remove"):
        run_train(inputs, out, replace(LINEAR, accept_z=3), resume=True)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"covariate_names": ("age",)}, {"covariate_names": ("centre",)}),
        ({}, {"covariate_kinds": {"age": "categorical"}}),
        ({}, {"groups": None}),
    ],
)
def test_a_run_with_other_columns_of_the_same_files_is_not_resumed(
    cohort: Cohort, tmp_path: Path, first: dict[str, object], then: dict[str, object]
) -> None:
    given = {
        "covariates": cohort.folder / "covariates.tsv",
        "groups": str(cohort.folder / "groups.tsv"),
    }

    def stop(what: str, share: float) -> None:
        if what == "pairs":
            raise KeyboardInterrupt

    settings, out = replace(SETTINGS, stages=("pairs",)), tmp_path / "model"
    with pytest.raises(KeyboardInterrupt):
        run_train(cohort.inputs(**given | first), out, settings, progress=stop)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="other data, settings or versions; remove"):
        run_train(cohort.inputs(**given | then), out, settings, resume=True)  # type: ignore[arg-type]


def test_a_prevalence_is_for_others_and_the_run_is_judged_at_its_own(
    cohort: Cohort, tmp_path: Path
) -> None:
    inputs = cohort.inputs("case")
    own = run_train(inputs, tmp_path / "own", LINEAR).traits[0]
    rare = run_train(inputs, tmp_path / "rare", replace(LINEAR, prevalence=0.01)).traits[0]
    assert rare.metrics.equals(own.metrics)
    assert rare.predictions.equals(own.predictions)
    facts = open_model_bundle(tmp_path / "rare").facts
    assert facts["settings"]["prevalence"] == 0.01


def test_labels_that_do_not_vary_are_refused(cohort: Cohort, tmp_path: Path) -> None:
    path = tmp_path / "traits.tsv"
    pl.DataFrame({"sample": cohort.samples, "y": 1.5}).write_csv(path, separator="\t")
    with pytest.raises(InputError, match="y"):
        run_train(replace(cohort.inputs(), traits=path), tmp_path / "model", LINEAR)
    assert not (tmp_path / "model").exists()


def test_a_device_that_is_not_there_is_refused_before_anything(
    cohort: Cohort, tmp_path: Path
) -> None:
    device = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(UnfitError, match=f"--device {device}"):
        run_train(cohort.inputs(), tmp_path / "model", LINEAR, device=device)


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


def test_variants_without_plain_alleles_are_left_out_with_a_reason(
    cohort: Cohort, tmp_path: Path
) -> None:
    made = array_store(cohort.made.alt_count[:60], ["1"] * 60)
    made.variants = made.variants.with_columns(
        alt=pl.when(pl.col("row") == 7).then(pl.lit("<DEL>")).otherwise("alt")
    )
    store = write_fileset(tmp_path / "store", made)
    inputs = replace(cohort.inputs(), store=str(store))
    run_train(inputs, tmp_path / "model", LINEAR, threads=2)
    assert "<DEL>" not in open_model_bundle(tmp_path / "model").variants["alt"].to_list()
    run = json.loads((tmp_path / "model.training" / "run.json").read_text())
    assert run["variants"]["no_plain_alleles"] == 1


def test_traits_whose_names_are_alike_in_letters_have_files_of_their_own(
    cohort: Cohort, tmp_path: Path
) -> None:
    names = ["身高", "体重", "HDL (mg/dL)", "hdl [mg_dL]"]
    table = pl.DataFrame({"sample": cohort.samples} | {name: cohort.y for name in names})
    table.write_csv(tmp_path / "traits.tsv", separator="\t")
    inputs = replace(cohort.inputs(*names), traits=tmp_path / "traits.tsv")
    run_train(inputs, tmp_path / "models", LINEAR, threads=2)
    paths = [tmp_path / "models" / name for name in ("_", "__2", "HDL_mg_dL_", "hdl_mg_dL__2")]
    assert [open_model_bundle(path).name for path in paths] == names
    assert (tmp_path / "models.training" / "hdl_mg_dL__2.metrics.tsv").is_file()
    facts = json.loads((tmp_path / "models.training" / "run.json").read_text())
    assert [trait["files"] for trait in facts["traits"]] == [f"{path.name}." for path in paths]


def test_a_bundle_may_be_the_directory_one_is_in(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run_train(cohort.inputs(), Path(), LINEAR, threads=2)
    assert open_model_bundle(tmp_path / "here").name == "y"
    assert (tmp_path / "here.training" / "metrics.tsv").is_file()
