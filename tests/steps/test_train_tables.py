"""What `genomed train` writes agrees with the dictionary of tables."""

from pathlib import Path

import polars as pl
from train_cohort import Cohort

from genomed.settings import SplitSettings, TrainSettings
from genomed.steps.train import run_train
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
