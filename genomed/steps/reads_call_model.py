"""Who judges sites in `genomed reads call`: likelihoods with a prior, or a trained caller."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from genomed.errors import InputError
from genomed.features.call_sites import EVIDENCE_NAMES, PILEUP_NAMES, CalledTile
from genomed.io.call_bundle import open_call_bundle, shipped_call_bundle
from genomed.models.call_model import CallModel
from genomed.models.likelihood_stage import site_prior
from genomed.settings import CallSettings
from genomed.stats.genotype_likelihood import genotype_posterior

__all__ = ["Judge", "load_call_model", "open_judge"]


class Judge(Protocol):
    """Gives every site of a tile the probabilities of its genotypes."""

    def posterior(self, called: CalledTile) -> np.ndarray:
        """Probabilities of the diplotypes 00 01 11 02 12 22: float64 (sites, 6)."""

    def facts(self) -> dict[str, Any]:
        """What it is, for run.json."""


def open_judge(model: str, settings: CallSettings) -> Judge:
    """The judge by name: none, shipped, or the path of a bundle.

    Raises InputError for a bundle that is damaged or does not fit.
    """
    if model == "none":
        return _Likelihoods(settings)
    return _Trained(None if model == "shipped" else Path(model))


def load_call_model(path: Path | None = None) -> CallModel:
    """Open a caller, by default the one that is shipped.

    Raises InputError, with the remedy, for a bundle that is damaged or does not fit this version.
    """
    bundle = open_call_bundle(shipped_call_bundle() if path is None else path)
    try:
        model = CallModel.from_parts(bundle.tensors, bundle.facts["model"])
        model.check_names(PILEUP_NAMES, EVIDENCE_NAMES)
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{bundle.path}: cannot be used ({error}); train it again with `genomed reads train`, "
            "or call with --model none"
        ) from None
    return model


class _Likelihoods:
    """Bayes' rule, with what is usual in genomes."""

    def __init__(self, settings: CallSettings) -> None:
        self._settings = settings

    def posterior(self, called: CalledTile) -> np.ndarray:
        prior = site_prior(called.sites.evidence, EVIDENCE_NAMES, self._settings)
        return genotype_posterior(called.sites.loglik, prior)

    def facts(self) -> dict[str, Any]:
        return {"kind": "none"}


class _Trained:
    """A trained caller: genomed.models.call_model."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._model = load_call_model(path)

    def posterior(self, called: CalledTile) -> np.ndarray:
        if not len(called.sites.table):
            return np.empty((0, 6))
        said = self._model.genotype_log_probability(called.sites, called.read_matrices)
        share = np.exp(said.astype(np.float64))
        return share / share.sum(axis=1, keepdims=True)

    def facts(self) -> dict[str, Any]:
        return {"kind": "trained", "bundle": "shipped" if self._path is None else str(self._path)}
