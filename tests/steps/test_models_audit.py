"""`genomed models audit`: what it finds of a bundle, and what it refuses."""

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from packed_cohorts import packed
from train_cohort import Cohort
from trained_bundles import risk_model, write_trained_bundle

from genomed.cli import main
from genomed.errors import CoverageError, InputError
from genomed.features.design import Design
from genomed.io.packed import open_store
from genomed.models.risk_model import RiskModel
from genomed.settings import SplitSettings, TrainSettings
from genomed.stats.membership import membership, shadowed_loss
from genomed.steps.models_audit import AuditInputs, run_audit
from genomed.steps.train import run_train


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    made = Cohort(tmp_path_factory.mktemp("cohort"), n=400)
    settings = TrainSettings(build="GRCh38", stages=(), split=SplitSettings(n_folds=2))
    covariates = made.folder / "covariates.tsv"
    rng = np.random.default_rng(70)  # 100 columns of noise, which 320 people cannot but remember
    noise = {f"x{i}": rng.normal(size=400).round(4) for i in range(100)}
    pl.DataFrame({"sample": made.samples, **noise}).write_csv(covariates, separator="\t")
    run_train(made.inputs(covariates=covariates), made.folder / "model", settings, threads=2)
    return made


def inputs(cohort: Cohort, **changed: object) -> AuditInputs:
    folder = cohort.folder
    given: dict[str, object] = {
        "bundle": str(folder / "model"), "store": str(cohort.store),
        "traits": folder / "traits.tsv", "covariates": folder / "covariates.tsv",
        "members": folder / "model.training/predictions.tsv.gz",
    }  # fmt: skip
    return AuditInputs(**(given | changed))  # type: ignore[arg-type]


def test_members_are_those_of_the_training_and_their_loss_is_smaller(cohort: Cohort) -> None:
    found = run_audit(inputs(cohort), n_draws=200, threads=2)
    assert (found.n_members, found.n_others) == (320, 80)
    assert found.measures["full"] == found.measures["linear"]  # the model is the linear one
    auroc, gap = found.measures["full"][0], found.measures["full"][3]
    assert auroc.low > 0.5
    assert gap.low > 0
    assert found.verdict.startswith("People learned from can be told from others by the loss")
    same = run_audit(inputs(cohort, members=cohort.folder / "split.tsv"), n_draws=200)
    assert same.measures == found.measures
    assert not found.warnings


def test_without_covariates_the_audit_says_that_it_is_too_kind(cohort: Cohort) -> None:
    found = run_audit(inputs(cohort, covariates=None), n_draws=0)
    assert any("the audit is too kind" in warning for warning in found.warnings)


def with_net(cohort: Cohort, folder: Path, parts: tuple[str, ...]) -> tuple[RiskModel, Path, Path]:
    """A model of two net members over the cohort, its bundle, and who was in which fold."""
    counts = cohort.made.alt_count
    store = open_store(cohort.store)
    frequency = pl.Series(np.full(len(counts), 0.3))
    variants = store.variants.drop("row").with_columns(alt_allele_frequency=frequency)
    nothing = np.zeros((400, 0))
    design = Design(nothing.astype(np.float32), [], nothing.astype(np.int64), [], [], encoder={})
    model = risk_model(packed(counts), 400, variants, design, parts)
    bundle = write_trained_bundle(folder / "net", model, design, name="y")
    develop = np.arange(400) % 5 != 0
    table = {"sample": cohort.samples, "set": np.where(develop, "develop", "test"),
             "fold": [i % 2 if one else None for i, one in enumerate(develop)]}  # fmt: skip
    pl.DataFrame(table).write_csv(folder / "members.tsv", separator="\t")
    return model, bundle, folder / "members.tsv"


def test_a_net_is_attacked_by_its_members(cohort: Cohort, tmp_path: Path) -> None:
    model, bundle, members = with_net(cohort, tmp_path, ("linear", "net"))
    given = {"bundle": str(bundle), "covariates": None}
    found = run_audit(inputs(cohort, members=members, **given), n_draws=0)
    rows = [int(name[1:]) for name in model.variants["id"]]
    words = packed(cohort.made.alt_count[rows])
    said = model.predict(words, 400, np.zeros((400, 0)))
    y = cohort.y.round(6)
    loss = np.array([(y - said.linear - member) ** 2 for member in said.members])
    fold = np.where(np.arange(400) % 5 != 0, np.arange(400) % 2, -1)
    expected = membership(shadowed_loss(loss, fold), fold >= 0, n_draws=0)
    told = {one.name: one.value for one in found.measures["net_members"]}
    assert told == pytest.approx({one.name: one.value for one in expected}, abs=1e-6)
    assert "by the likelihood ratio of its members (AUROC" in found.verdict
    without = cohort.folder / "split.tsv"
    found = run_audit(inputs(cohort, members=without, **given), n_draws=0)
    assert "net_members" not in found.measures
    assert any("says no folds, so the net is not attacked" in text for text in found.warnings)


def test_the_trunks_of_groups_take_part_in_an_audit(cohort: Cohort, tmp_path: Path) -> None:
    _, bundle, members = with_net(cohort, tmp_path, ("linear", "ancestry"))
    given = {"bundle": str(bundle), "covariates": None, "members": members}
    without = run_audit(inputs(cohort, **given), n_draws=0)
    assert any("without --groups the audit is too kind" in text for text in without.warnings)
    groups = str(cohort.folder / "groups.tsv")
    found = run_audit(inputs(cohort, groups=groups, **given), n_draws=0)
    assert not found.warnings
    assert found.measures["full"] != found.measures["linear"] == without.measures["full"]


def test_another_store_or_trait_is_refused(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is neither a number"):
        run_audit(inputs(cohort, trait="case", traits=words(cohort, tmp_path)), n_draws=0)
    store = Path(open_store(cohort.store).path)
    some = tmp_path / "some"
    pvar = store.with_suffix(".pvar").read_text().replace("1000\t", "1001\t", 1)
    some.with_suffix(".pgen").write_bytes(store.read_bytes())
    some.with_suffix(".pvar").write_text(pvar)
    some.with_suffix(".psam").write_bytes(store.with_suffix(".psam").read_bytes())
    with pytest.raises(CoverageError, match="lacks 1 variants"):
        run_audit(inputs(cohort, store=str(some)), n_draws=0)


def words(cohort: Cohort, folder: Path) -> Path:
    path = folder / "words.tsv"
    case = ["case" if one else "control" for one in cohort.case]
    pl.DataFrame({"sample": cohort.samples, "case": case}).write_csv(path, separator="\t")
    return path


def test_the_command_prints_a_table_and_a_verdict(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = cohort.folder
    words = ["genomed", "models", "audit", str(folder / "model"), str(cohort.store), "--traits",
             str(folder / "traits.tsv"), "--predictions", str(folder / "split.tsv"),
             "--covariates", str(folder / "covariates.tsv"), "--bootstrap", "50"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "model\tmeasure\tvalue\tlow\thigh"
    assert len(said.out.splitlines()) == 9
    assert "by the loss (AUROC" in said.err
    monkeypatch.setattr(sys, "argv", [*words, "--json"])
    with pytest.raises(SystemExit):
        main()
    assert json.loads(capsys.readouterr().out)["n_members"] == 320
    monkeypatch.setattr(sys, "argv", [*words[:-1], "0", "--json"])
    with pytest.raises(SystemExit):
        main()
    found = json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest.fail(word))
    assert {row["low"] for row in found["measures"]} == {None}
    assert "or that is chance, only draws of people tell: --bootstrap 1000." in found["verdict"]
