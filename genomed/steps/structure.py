"""`genomed structure`: who is related to whom, where people come from, and how diverse they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from genomed.io.outputs import OutputDirectory
from genomed.io.packed import open_store
from genomed.io.plink_tables import companion_paths
from genomed.provenance import Fingerprints
from genomed.settings import StructureSettings
from genomed.stats.ld import founder_mask
from genomed.stats.long_range_ld import LONG_RANGE_LD
from genomed.steps.clock import Clock
from genomed.steps.genome_build import choose_build
from genomed.steps.structure_outputs import StructureResults, write_structure
from genomed.steps.structure_parts import (
    THIRD_DEGREE,
    check_pedigree,
    find_components,
    find_relations,
    read_groups,
    require_device,
    runs_of_homozygosity,
)
from genomed.steps.structure_variants import (
    choose_variants,
    leave_long_range_ld,
    prune_variants,
)

__all__ = ["StructureInputs", "StructureSummary", "run_structure"]

FEW_FOUNDERS = 50  # plink2's limit, below which it wants frequencies from elsewhere


@dataclass(frozen=True)
class StructureInputs:
    """What a run reads.

    store     : a .pgen or .bed, or the prefix of the fileset
    samples   : names to keep; None for all
    reference : a reference bundle, or its name in the library
    library   : where models and references are kept; None for the usual place
    groups    : a table of samples and populations, or a phenotype column of the store
    """

    store: str
    samples: list[str] | None = None
    reference: str | None = None
    groups: str | None = None
    library: Path | None = None


@dataclass
class StructureSummary:
    """What a run found, for the terminal."""

    results: StructureResults
    outputs: dict[str, Path]
    timings: dict[str, float] = field(default_factory=dict)


def run_structure(
    inputs: StructureInputs,
    out: Path,
    settings: StructureSettings,
    *,
    threads: int = 1,
    device: str = "cpu",
    command: str = "genomed structure",
) -> StructureSummary:
    """Do the steps of the settings on one store, and write what they find.

    device : where kinship, LD and components are computed: "cpu", "cuda" or "cuda:1". Kinship and
             pruned lists are the same on all; components, see genomed.stats.pca_device
    Raises InputError, UsageError, OutputError, and UnfitError for a device that is not there or
    calculates wrongly; nothing is left in `out` then.
    """
    require_device(device)
    run = _Run(inputs, settings, threads, device)
    with OutputDirectory(out) as directory, Fingerprints() as fingerprints:
        run.open(fingerprints)
        run.do()
        read = {str(path): fingerprints.of(path) for path in run.files if path.is_file()}
        write_structure(directory, run.results, settings, read, command, run.clock.started)
        run.clock.lap("write")
    return StructureSummary(run.results, directory.files(), run.clock.phases)


class _Run:
    """One run, step after step."""

    def __init__(
        self, inputs: StructureInputs, settings: StructureSettings, threads: int, device: str
    ) -> None:
        self.inputs, self.settings = inputs, settings
        self.threads, self.device = threads, device
        self.clock = Clock()

    def open(self, fingerprints: Fingerprints) -> None:
        """Open the store, and begin to digest all that is read."""
        self.store = store = open_store(
            self.inputs.store, samples=self.inputs.samples, threads=self.threads
        )
        self.files = [*companion_paths(store.path)]
        if self.inputs.groups and Path(self.inputs.groups).is_file():
            self.files.append(Path(self.inputs.groups))
        for path in self.files:
            fingerprints.begin(path)
        founders = founder_mask(store.people)
        self.founders = founders if founders.any() else np.ones(store.n_samples, np.bool_)
        self.unrelated = np.ones(store.n_samples, np.bool_)
        self.results = StructureResults(
            Path(self.inputs.store).name, store.samples, None, {}, notes=dict(store.notes)
        )
        self.clock.lap("open")

    def do(self) -> None:
        """All steps that were asked for, in the order in which they need each other."""
        steps, results = self.settings.steps, self.results
        results.build, _ = choose_build(self.store.contigs, self.settings.build, self.store.path)
        self.variants = choose_variants(
            self.store, self.settings, self.founders, threads=self.threads
        )
        self.clock.lap("variants")
        self._warn_of_few()
        if "kinship" in steps:
            self._relations()
        if "prune" in steps or "pca" in steps:
            self._leave_long_range_ld()
        if "prune" in steps:
            self._prune()
        if "pca" in steps:
            self._components()
        if self.inputs.reference is not None:
            self._ancestry()
        if "roh" in steps:
            self._runs()
        self._groups()
        if "diversity" in steps:
            self._diversity()
        results.variants = self.variants.counts()
        results.tables["variants"] = self.variants.table()

    def _warn(self, text: str) -> None:
        self.results.warnings.append(text)

    def _warn_of_few(self) -> None:
        n, founders = self.store.n_samples, int(self.founders.sum())
        if not founder_mask(self.store.people).any():
            self._warn("Nobody is a founder: everybody counts as one.")
        elif founders < FEW_FOUNDERS:
            self._warn(
                f"Only {founders} of {n} samples are founders: frequencies, LD and components "
                "rest on few people."
            )
        if len(self.variants.called) == 0:
            self._warn("No autosomal variant has enough calls: there is nothing to measure.")

    def _relations(self) -> None:
        rows, results = self.variants.common, self.results
        relations = find_relations(
            self.store, rows, self.settings, threads=self.threads, device=self.device
        )
        self.unrelated = relations.unrelated
        results.tables["kinship"] = relations.pairs
        pedigree = check_pedigree(self.store, relations.pairs)
        if pedigree is not None:
            results.tables["pedigree"] = pedigree
            counts = dict(pedigree["verdict"].value_counts().iter_rows())
            if counts.get("disagrees"):
                self._warn(
                    f"{counts['disagrees']} pairs are not related as the pedigree declares; see "
                    "pedigree.tsv."
                )
            if counts.get("undeclared"):
                self._warn(
                    f"{counts['undeclared']} pairs are close relatives of which the pedigree says "
                    "nothing; see pedigree.tsv."
                )
        results.lists["unrelated.samples"] = self._names_of_people(self.unrelated)
        tally = relations.pairs["relation"].value_counts().sort("relation")
        results.steps["kinship"] = {
            "variants": len(rows),
            "pairs": dict(tally.iter_rows()),
            "unrelated": int(self.unrelated.sum()),
            "error": None if np.isnan(relations.error) else relations.error,
            "least_told": relations.least,
        }
        if self.settings.min_kinship is None and relations.least > THIRD_DEGREE:
            self._warn(
                f"Kinship is known to {relations.error:.3f} from these variants, so relations "
                f"below {relations.least:.3f} cannot be told from chance and are not listed; "
                "--min-kinship lists them."
            )
        self.clock.lap("kinship")

    def _names_of_people(self, kept: np.ndarray) -> list[str]:
        """Lines that plink2 --keep reads: IID, or FID and IID where families are known."""
        people = self.store.people.filter(pl.Series(kept))
        if people["family"].null_count() == people.height:
            return ["#IID", *people["sample"].to_list()]
        prefixed = "iid_repeated" in self.store.notes
        lines = ["#FID\tIID"]
        for family, sample in people.select("family", "sample").iter_rows():
            name = sample.removeprefix(f"{family}_") if prefixed else sample
            lines.append(f"{family or 0}\t{name}")
        return lines

    def _leave_long_range_ld(self) -> None:
        if not self.settings.leave_long_range_ld:
            return
        build = self.results.build
        if build is None or build not in LONG_RANGE_LD:
            unknown = build or "not known"
            self._warn(
                f"The genome build is {unknown}, so regions of long-range LD were not left out; "
                "--build tells."
            )
            return
        leave_long_range_ld(self.variants, build)

    def _prune(self) -> None:
        candidates = len(self.variants.rows("kept"))
        kept, dropped = prune_variants(
            self.variants, self.settings, self.founders, threads=self.threads, device=self.device
        )
        names = self.variants.names(np.concatenate([kept, dropped])).to_list()
        self.results.lists["prune.in"] = names[: len(kept)]
        self.results.lists["prune.out"] = names[len(kept) :]
        self.results.steps["prune"] = {"variants": candidates, "kept": len(kept)}
        self.clock.lap("prune")

    def _components(self) -> None:
        rows = self.variants.rows("kept")
        try:
            found = find_components(
                self.store, rows, self.unrelated, self.settings, threads=self.threads,
                device=self.device,
            )  # fmt: skip
        except ValueError as error:
            self._warn(f"No components: {error}.")
            return
        finally:
            self.clock.lap("pca")
        self.components = found
        self.results.tables |= {
            "pcs": found.table(self.store.samples),
            "eigenvalues": found.eigenvalues(),
            "loadings": found.loadings(self.store),
        }
        self.results.steps["pca"] = {
            "variants": len(rows),
            "samples": int(self.unrelated.sum()),
            "projected": int(found.projected.sum()),
            "method": found.found.method,
        }

    def _ancestry(self) -> None:
        from genomed.steps.structure_ancestry import (  # noqa: PLC0415 - seldom asked for
            find_reference,
            place_people,
        )

        assert self.inputs.reference is not None
        bundle = find_reference(self.inputs.reference, self.inputs.library, self.results.build)
        table, facts, warnings = place_people(
            self.store, bundle, self.settings.min_projection_coverage, threads=self.threads
        )
        self.results.tables["ancestry"] = table
        self.results.steps["ancestry"] = facts
        self.results.warnings += warnings
        self.clock.lap("ancestry")

    def _runs(self) -> None:
        rows = self.variants.common
        runs, sums = runs_of_homozygosity(self.store, rows, self.settings, threads=self.threads)
        self.results.tables |= {"roh": runs, "roh_samples": sums}
        self.results.steps["roh"] = {"variants": len(rows), "runs": runs.height}
        self.clock.lap("roh")

    def _groups(self) -> None:
        """Groups that were given, else the most similar populations, else everybody."""
        results = self.results
        if self.inputs.groups is not None:
            results.groups, warnings = read_groups(self.store, self.inputs.groups)
            results.warnings += warnings
            results.tables["groups"] = results.group_of_each()
        elif "ancestry" in results.tables:
            label = results.tables["ancestry"]["most_similar_population"].fill_null("").to_numpy()
            results.groups = {name: label == name for name in sorted(set(label)) if name}

    def _diversity(self) -> None:
        from genomed.stats.diversity import measure_diversity  # noqa: PLC0415 - it imports for 1 s

        groups = self.results.groups or {"all": np.ones(self.store.n_samples, np.bool_)}
        groups = {name: members & self.unrelated for name, members in groups.items()}
        groups = {name: members for name, members in groups.items() if members.any()}
        rows = self.variants.called
        found = measure_diversity(
            self.store, rows, groups, window_kb=self.settings.diversity_kb, threads=self.threads
        )
        self.results.tables |= {
            "diversity": found.groups, "fst": found.fst, "diversity_windows": found.windows
        }  # fmt: skip
        self.results.steps["diversity"] = {
            "variants": len(rows),
            "groups": {name: int(members.sum()) for name, members in groups.items()},
        }
        self.clock.lap("diversity")
