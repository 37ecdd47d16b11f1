"""Which genome build the cohort is on, and so which positions of each model to use.

Contig lengths decide where the header gives them. Where it does not, every build a model has
positions for is tried in the same pass, together with the positions of the bundled panel, and
the build whose variants are found with the right alleles wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from genomed.errors import BuildError
from genomed.io.library import panel_paths
from genomed.io.scorefile import read_models
from genomed.schema import ScoreModel
from genomed.scores.matching import Entries
from genomed.steps.genome_build import choose_build

__all__ = ["Candidates", "Outcome", "choose_candidates"]

ENOUGH_VOTES = 3  # variants found with the right alleles
CLEAR_MAJORITY = 5  # times as many as on any other build


@dataclass(frozen=True)
class Outcome:
    """What the votes said.

    kept     : candidates that are results, in the order of the models
    flags    : per candidate
    """

    kept: list[int]
    build: str | None
    evidence: str
    flags: list[list[str]]
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Candidates:
    """Models x builds to score; several for one model while the cohort's build is unknown.

    models      : one per candidate; names are unique
    builds      : key of the model's `loci`, None to match by ID
    final_names : the model's name in the results; None for a probe that only votes
    """

    models: list[ScoreModel]
    builds: list[str | None]
    final_names: list[str | None]
    cohort: str
    known_build: str | None
    evidence: str

    def decide(self, entries: Entries, ambiguous: str) -> Outcome:
        """Choose one candidate per model, after the pass."""
        found = self._found(entries)
        build, evidence, warnings = self.known_build, self.evidence, []
        if build is None:
            build, evidence = self._vote(found)
        kept: list[int] = []
        flags: list[list[str]] = [[] for _ in self.models]
        for name in dict.fromkeys(n for n in self.final_names if n is not None):
            mine = [i for i, n in enumerate(self.final_names) if n == name]
            same = [i for i in mine if self.builds[i] in (build, "", None)]
            if build is not None and not same:
                others = [str(self.builds[i]) for i in mine]
                trained = self.models[mine[0]].header.get("kind") == "risk-net"
                raise wrong_build(name, others, build, evidence, self.cohort, trained=trained)
            chosen = max(same or mine, key=lambda i: (int(found[i]), -i))
            kept.append(chosen)
            if self.builds[chosen] is not None and (build is None or self.builds[chosen] == ""):
                flags[chosen].append("build_unverified")
        unverified = [str(self.final_names[i]) for i in kept if "build_unverified" in flags[i]]
        if unverified:
            shown = ", ".join(unverified[:5]) + (" and others" if len(unverified) > 5 else "")
            warnings.append(
                f"The genome build could not be verified for {shown}: {evidence}. "
                "Give --build if you know it."
            )
        return Outcome(kept, build, evidence, flags, warnings)

    def _found(self, entries: Entries) -> np.ndarray:
        """Variants of each candidate found with both alleles right."""
        right = np.isin(entries.reason.astype(str), ("exact", "swapped"))
        both = entries.table["other_allele"].is_not_null().to_numpy()
        found = np.zeros(len(self.models), np.int64)
        for family in entries.families:
            found[family.members] = (right & both)[family.rows].sum()
        return found

    def _vote(self, found: np.ndarray) -> tuple[str | None, str]:
        votes: dict[str, int] = {}
        for i, build in enumerate(self.builds):
            if build:
                votes[build] = max(votes.get(build, 0), int(found[i]))
        order = sorted(votes, key=lambda b: -votes[b])
        if order and votes[order[0]] >= ENOUGH_VOTES:
            rest = max((votes[b] for b in order[1:]), default=0)
            if len(order) > 1 and votes[order[0]] >= CLEAR_MAJORITY * max(rest, 1):
                return order[0], (
                    f"{votes[order[0]]} variants lie at their {order[0]} positions with the right "
                    f"alleles, {rest} at those of {order[1]}"
                )
        return (
            None,
            "the header gives no known contig lengths, and too few known variants were found",
        )


def choose_candidates(
    models: Sequence[ScoreModel], contigs: Mapping[str, int | None], said: str | None, cohort: str
) -> Candidates:
    """Pick each model's positions for the cohort's build, or all of them while it is unknown.

    said : the build as the user named it
    Raises BuildError when a model has positions on other builds only.
    """
    build, evidence = choose_build(contigs, said, cohort)
    chosen: list[tuple[ScoreModel, str | None, str | None]] = []
    for model in models:
        if not model.loci:
            chosen.append((model, None, model.name))
        elif build is None:
            several = len(model.loci) > 1
            for key in model.loci:
                name = f"{model.name} ({key or 'no build'})" if several else model.name
                chosen.append((replace(model, name=name), key, model.name))
        else:
            key = build if build in model.loci else ""
            if key not in model.loci:
                trained = model.header.get("kind") == "risk-net"
                raise wrong_build(
                    model.name, list(model.loci), build, evidence, cohort, trained=trained
                )
            chosen.append((model, key, model.name))
    if build is None and any(key for _, key, _ in chosen):
        chosen += _probes({m.name for m in models})
    names, keys, final = zip(*chosen, strict=True)
    return Candidates(list(names), list(keys), list(final), cohort, build, evidence)


def _probes(present: set[str]) -> list[tuple[ScoreModel, str | None, str | None]]:
    """The bundled panel on both builds, to vote where the user's models cannot."""
    probes: list[tuple[ScoreModel, str | None, str | None]] = []
    for path in panel_paths():
        for model in read_models(path):
            if model.name not in present:
                probes += [
                    (replace(model, name=f"(probe) {model.name} ({key})"), key, None)
                    for key in model.loci
                ]
    return probes


def wrong_build(
    name: str, has: Sequence[str], build: str, evidence: str, cohort: str, *, trained: bool = False
) -> BuildError:
    """The sentence for a model whose positions are on another build than the cohort's.

    trained : whether it is a bundle made by `genomed train`
    """
    remedy = (
        f"train it on a store on {build}"
        if trained
        else f"get it on {build}, for a PGS Catalog score with "
        f"`genomed models fetch {name.split('#')[0]} --build {build}`"
    )
    return BuildError(
        f"{cohort} is on {build} ({evidence}), but model {name} has positions on "
        f"{' and '.join(has)} only; {remedy}"
    )
