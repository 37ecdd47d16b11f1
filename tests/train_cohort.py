"""A cohort on disk to train on: a store, and tables of traits, covariates, a split and groups."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from packed_cohorts import array_store, write_fileset
from planted_traits import Planted, planted

from genomed.steps.train_data import TrainInputs


class Cohort:
    """A store with tables beside it: traits y (two pairs, an additive part), case, and t."""

    def __init__(self, folder: Path, n: int = 1000) -> None:
        self.folder = folder
        self.made: Planted = planted(50, covariates=2, n=n)
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
        self.hazard = z[:10].sum(axis=0) / np.sqrt(10)
        time_ = rng.exponential(np.exp(-self.hazard)) * 10
        age, centre = 50 + 10 * self.made.data.covariates[:, 0], rng.choice(["A", "B"], n)
        tables = {
            "traits": {
                "y": self.y.round(6), "case": self.case, "t_time": np.minimum(time_, 20).round(4),
                "t_event": (time_ < 20).astype(int),
            },
            "covariates": {"age": age.round(3), "centre": centre},
            "split": {"set": np.where(np.arange(n) % 5 == 0, "test", "develop")},
            "groups": {"population": np.where(np.arange(n) % 3 == 0, "north", "south")},
        }  # fmt: skip
        for name, columns in tables.items():
            frame = pl.DataFrame({"sample": self.samples, **columns})
            frame.write_csv(folder / f"{name}.tsv", separator="\t")

    def inputs(self, *names: str, **more: Any) -> TrainInputs:
        return TrainInputs(
            store=str(self.store), traits=self.folder / "traits.tsv", names=names or ("y",),
            split=self.folder / "split.tsv", **more,
        )  # fmt: skip
