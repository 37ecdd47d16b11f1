"""The net of `genomed train`: what it may read, and what is promised of it."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from small_cohorts import score
from train_cohort import Cohort

from genomed.errors import InputError, OutputError, UsageError
from genomed.features import design, sequences
from genomed.io.covariates import read_dated_codes
from genomed.io.model_bundle import ModelBundle, open_model_bundle
from genomed.io.packed import open_store
from genomed.models import training
from genomed.models.families import Quantitative
from genomed.models.parallel import Workers
from genomed.models.risk_model import Predicted, RiskModel
from genomed.models.training import FittedHead
from genomed.models.verdicts import Verdict, judge
from genomed.settings import ExplainSettings, SplitSettings, TrainSettings
from genomed.steps import train
from genomed.steps.explain import ExplainInputs, run_explain
from genomed.steps.train import run_train
from genomed.steps.train_checkpoints import CheckpointDirectory
from genomed.steps.train_net import NetStart, check_net, receive_start, send_start, train_net

NET = TrainSettings(
    build="GRCh38", net_epochs=3, stages=("net",),
    split=SplitSettings(n_folds=2), window_variants=16,
)  # fmt: skip


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    made = Cohort(tmp_path_factory.mktemp("cohort"), n=400)
    rng = np.random.default_rng(60)
    who = rng.integers(0, 380, 2000)
    pl.DataFrame(
        {
            "sample": [made.samples[i] for i in who],
            "code": rng.choice(["E11", "I10", "J45"], 2000),
            "age": rng.uniform(20, 70, 2000).round(1),
        }
    ).write_csv(made.folder / "codes.tsv", separator="\t")
    (made.folder / "genes.bed").write_text(
        "chr1\t0\t20000\tONE\nchr1\t10000\t30000\tTWO\n2\t40000\t60000\tTHREE\n"
    )
    return made


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nets are kept, as trained last, whatever they gain: here it matters what they are."""

    def keep(*arguments: object, **options: object) -> Verdict:
        return judge(*arguments, **options)._replace(accepted=True)  # type: ignore[arg-type]

    monkeypatch.setattr(train, "judge", keep)
    monkeypatch.setattr(
        training._Run, "_chosen", lambda run: (len(run.snapshots) - 1,) * len(run.members)
    )


def predicted(bundle: ModelBundle, cohort: Cohort, *, codes: bool = True) -> Predicted:
    """What the bundle predicts of everybody."""
    model = RiskModel.from_parts(bundle.tensors, bundle.facts["parts"], bundle.variants)
    store = open_store(cohort.store)
    rows = bundle.variants.join(
        store.variants.select("row", "contig", "position"), on=["contig", "position"],
        maintain_order="left",
    )["row"].to_numpy()  # fmt: skip
    columns = np.zeros((store.n_samples, 0))
    if bundle.facts["covariates"]["encoder"]:
        table = pl.read_csv(cohort.folder / "covariates.tsv", separator="\t")
        columns = design.apply(bundle.facts["covariates"]["encoder"], table).matrix
    given: dict[str, np.ndarray] = {}
    if codes and bundle.facts["codes"]:
        dated = read_dated_codes(cohort.folder / "codes.tsv", store.samples)
        encoded = sequences.apply(bundle.facts["codes"]["encoder"], dated.frame, store.n_samples)
        given = {"codes": encoded.codes, "times": encoded.times}
    return model.predict(store.read(rows), store.n_samples, columns.astype(np.float64), **given)


def said_in_training(out: Path) -> np.ndarray:
    table = pl.read_csv(f"{out}.training/predictions.tsv.gz", separator="\t")
    return table.filter(pl.col("set") == "test")["full_predictor"].to_numpy()


@pytest.mark.usefixtures("kept")
def test_nets_read_windows_of_all_variants_and_dated_codes(cohort: Cohort, tmp_path: Path) -> None:
    out = tmp_path / "model"
    settings = replace(NET, genome_net=("local", "convolution", "recurrent"))
    summary = run_train(cohort.inputs(codes=cohort.folder / "codes.tsv"), out, settings, threads=2)
    assert any("codes count whatever their date" in warning for warning in summary.warnings)
    bundle = open_model_bundle(out)
    assert len(bundle.variants) == 120
    assert bundle.facts["codes"]["encoder"]["codes"] == ["E11", "I10", "J45"] or set(
        bundle.facts["codes"]["encoder"]["codes"]
    ) == {"E11", "I10", "J45"}
    found = predicted(bundle, cohort)
    test = np.arange(400) % 5 == 0
    np.testing.assert_allclose(found.full[test], said_in_training(out), atol=1e-5)
    unknown = predicted(bundle, cohort, codes=False)
    assert np.isfinite(unknown.full).all()
    assert not np.array_equal(unknown.full, found.full)
    nobody = np.arange(380, 400)  # have no record
    np.testing.assert_allclose(unknown.full[nobody], found.full[nobody], atol=1e-6)


@pytest.mark.usefixtures("kept")
def test_risk_and_explain_use_what_was_trained_with_dated_codes(
    cohort: Cohort, tmp_path: Path
) -> None:
    pytest.importorskip("captum")
    out, codes = tmp_path / "model", cohort.folder / "codes.tsv"
    settings = replace(NET, genome_net=("local",))
    run_train(cohort.inputs(codes=codes), out, settings, threads=2)
    run = score(f"{cohort.store}.pgen", [out], tmp_path / "risk", codes=codes, build="GRCh38")
    test = np.arange(400) % 5 == 0
    found = run.scores(column="full_predictor")
    np.testing.assert_allclose(found[test], said_in_training(out), atol=1e-5)
    inputs = ExplainInputs(
        str(out), str(cohort.store), codes=codes, groups=str(cohort.folder / "groups.tsv"),
        traits=cohort.folder / "traits.tsv",
    )  # fmt: skip
    asked = ExplainSettings(build="GRCh38", n_permuted=0, n_steps=64, shuffle_epochs=1)
    run_explain(inputs, tmp_path / "explained", asked, threads=2)
    people = pl.read_parquet(tmp_path / "explained" / "people.parquet")
    np.testing.assert_allclose(people["full_predictor"], found, atol=1e-5)
    assert people["completeness_error"].abs().max() < 1e-3
    covariates = pl.read_parquet(tmp_path / "explained" / "covariates.parquet")
    assert covariates["covariate"].to_list() == ["dated codes"]
    assert len(pl.read_parquet(tmp_path / "explained" / "shuffles.parquet")) == 2


@pytest.mark.usefixtures("kept")
def test_genes_make_the_windows_and_the_adversary_knows_groups(
    cohort: Cohort, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    settings = replace(NET, adversary=0.1, invariance=0.1)
    inputs = cohort.inputs(
        genes=cohort.folder / "genes.bed", groups=str(cohort.folder / "groups.tsv")
    )
    run_train(inputs, out, settings, threads=2)
    bundle = open_model_bundle(out)
    windows = bundle.tensors["net.windows"]
    position = bundle.variants["position"].to_numpy()
    # Variants are 1000 bases apart: 20 of ONE in two windows, 20 of TWO too, 21 on contig 2.
    spans = [sorted(position[w[w >= 0]] // 1000) for w in windows]
    assert spans[0] == [*range(1, 17)] or [*range(1, 17)] in spans
    assert [*range(11, 27)] in spans
    assert bundle.facts["settings"]["genome_net"] == ["local"]
    assert bundle.facts["parts"]["net"]["config"]["training"]["adversary"] == 0.1
    test = np.arange(400) % 5 == 0
    np.testing.assert_allclose(
        predicted(bundle, cohort).full[test], said_in_training(out), atol=1e-5
    )


@pytest.mark.usefixtures("kept")
def test_a_private_net_has_its_ledger_in_the_card(cohort: Cohort, tmp_path: Path) -> None:
    pytest.importorskip("opacus", reason="opacus is not installed")
    out = tmp_path / "model"
    inputs = cohort.inputs(covariates=cohort.folder / "covariates.tsv")
    run_train(inputs, out, replace(NET, private_epsilon=8.0, private_delta=1e-4), threads=2)
    bundle = open_model_bundle(out)
    ledger = bundle.facts["privacy"]["ledger"]
    assert 0 < ledger["epsilon"] <= 8.0
    assert ledger["delta"] == 1e-4
    assert "## Privacy" in bundle.card
    assert "Not private are the linear part" in bundle.card
    run_train(inputs, out, replace(NET, private_epsilon=8.0, stages=()), threads=2)
    assert "nothing in it is private" in open_model_bundle(out).card


@pytest.mark.usefixtures("kept")
def test_the_net_ends_with_the_time_and_a_model_does_not_say_how_much_there_was(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_no_time(*arguments: object, **options: object) -> FittedHead:
        return train_net(*arguments, **options | {"deadline": time.monotonic()})  # type: ignore[arg-type]

    monkeypatch.setattr(train, "train_net", in_no_time)
    inputs = cohort.inputs(covariates=cohort.folder / "covariates.tsv")
    run_train(inputs, tmp_path / "model", NET)
    said = open_model_bundle(tmp_path / "model").facts["parts"]["net"]
    assert (said["stopped"], said["config"]["training"]["time_budget_s"]) == ("time", 0.0)
    assert said["epochs"] == [1, 1]


@pytest.mark.parametrize(
    ("change", "grouped", "size", "message"),
    [
        ({"genome_net": ("spiral",)}, True, 1, "'spiral' is not one of local, convolution"),
        ({"adversary": 1.0}, False, 1, "give --groups"),
        ({"private_epsilon": 1.0, "invariance": 1.0}, True, 1, "neither --adversary nor"),
        ({"private_epsilon": 1.0, "genome_net": ("recurrent",)}, True, 1, "no recurrent net"),
        ({"private_epsilon": 1.0}, True, 2, "one process"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    change: dict[str, object], grouped: bool, size: int, message: str
) -> None:
    settings = replace(NET, **change)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=message):
        check_net(settings, grouped=grouped, workers=Workers(0, size))


def test_genes_elsewhere_are_refused(cohort: Cohort, tmp_path: Path) -> None:
    path = tmp_path / "genes.bed"
    path.write_text("chr9\t0\t20000\tNINE\n")
    with pytest.raises(InputError, match="none of its genes holds a variant"):
        run_train(cohort.inputs(genes=path), tmp_path / "model", NET)


def test_a_process_waits_for_the_first_and_not_for_ever(tmp_path: Path) -> None:
    kept = CheckpointDirectory(tmp_path / "kept", "f")
    family = Quantitative(np.zeros(3))
    with pytest.raises(OutputError, match="the first process left nothing there in 0"):
        receive_start(kept, [family], limit_s=0)
    sent = NetStart([family], np.ones((3, 1)), np.array([4, 7]), "")
    send_start(kept, sent)
    found = receive_start(kept, [family], limit_s=0)
    np.testing.assert_array_equal(found.hubs, sent.hubs)
    np.testing.assert_array_equal(found.offset, sent.offset)
    assert found.reason == ""


def test_a_bundle_with_a_net_is_the_same_for_any_threads_and_after_a_stop(tmp_path: Path) -> None:
    cohort = Cohort(tmp_path, n=3000)
    z = cohort.made.z
    value = z[5] * z[70] + z[20] * z[100] + 1.5 * z[5] * z[70] * z[20]
    y = cohort.made.trait(value, 0.8).round(6)
    pl.DataFrame({"sample": cohort.samples, "y": y}).write_csv(
        tmp_path / "traits.tsv", separator="\t"
    )
    settings = replace(NET, stages=("pairs", "net"), net_epochs=6)
    for threads in (1, 2):
        out = tmp_path / f"{threads}.zip"
        summary = run_train(cohort.inputs(), out, settings, threads=threads)
        assert summary.traits[0].kept == ["pairs", "net"]

    def stop(what: str, share: float) -> None:
        if what.startswith("net: epoch 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_train(cohort.inputs(), tmp_path / "3.zip", settings, progress=stop)
    assert not (tmp_path / "3.zip").exists()
    told: list[str] = []
    run_train(
        cohort.inputs(), tmp_path / "3.zip", settings, resume=True,
        progress=lambda what, share: told.append(what),
    )  # fmt: skip
    assert "net: epoch 2 of at most 6" not in told  # what was done is not done again
    first, *others = ((tmp_path / f"{k}.zip").read_bytes() for k in (1, 2, 3))
    assert others == [first, first]
