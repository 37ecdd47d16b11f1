"""Defaults of `genomed explain`; see genomed.settings."""

from dataclasses import dataclass

__all__ = ["ExplainSettings"]


@dataclass(frozen=True)
class ExplainSettings:
    """What decides an explanation, apart from the bundle and the cohort."""

    # Genome build of the store; None tells it from the contigs' lengths.
    build: str | None = None
    # Terms told of each person.
    top: int = 10
    # Points of the sum that stands for the integral over the net's gradients.
    n_steps: int = 16
    # Nets whose weights are put in random order, for comparison (Adebayo 2018, arXiv:1810.03292).
    n_permuted: int = 3
    # Trainings on permuted labels, where traits are given; and the epochs of their nets, at most.
    n_shuffles: int = 1
    shuffle_epochs: int = 2
    seed: int = 1
