"""What `genomed train` writes agrees with the dictionary of tables."""

from dataclasses import replace
from pathlib import Path

import polars as pl
from train_cohort import Cohort

from genomed.settings import SplitSettings, TrainSettings
from genomed.steps.train import run_train
from genomed.steps.train_data import read_train_data
from genomed.tables import TABLES


def test_tables_have_the_columns_that_the_dictionary_explains(tmp_path: Path) -> None:
    cohort = Cohort(tmp_path)
    settings = TrainSettings(
        build="GRCh38", stages=("pairs",), split=SplitSettings(n_folds=2), accept_z=0
    )
    run_train(cohort.inputs(groups=str(tmp_path / "groups.tsv")), tmp_path / "m", settings)
    files = {"predictions": "predictions.tsv.gz"} | {
        name: f"{name}.tsv" for name in ("metrics", "stages", "pairs", "path")
    }
    for name, file in files.items():
        table = pl.read_csv(tmp_path / "m.training" / file, separator="\t")
        assert len(table), name
        assert table.columns == list(TABLES[f"train_{name}"]), name


def test_one_seed_and_one_number_of_folds_decide_who_is_held_out(tmp_path: Path) -> None:
    cohort = Cohort(tmp_path, n=300)
    inputs = replace(cohort.inputs(), split=None)
    of = {}
    for seed, n_folds in ((1, 3), (2, 3), (1, 4)):
        settings = TrainSettings(build="GRCh38", seed=seed, split=SplitSettings(n_folds=n_folds))
        of[seed, n_folds] = read_train_data(inputs, settings).fold
    assert of[1, 3].max() == of[2, 3].max() == 2
    assert of[1, 4].max() == 3
    assert (of[1, 3] != of[2, 3]).any()
