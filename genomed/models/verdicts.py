"""Whether a stage of a model is worth keeping: judged by people it was not fitted to."""

from typing import NamedTuple

import numpy as np

from genomed.models.families import Family

__all__ = ["Verdict", "judge"]


class Verdict(NamedTuple):
    """What became of a stage.

    stage    : its name
    accepted : whether it is part of the model
    gain     : how much less the deviance of a person out of fold is with it, on average
    error    : standard error of the gain
    share    : the gain over the deviance without any predictor: for a quantitative trait what it
               adds to the variance explained
    reason   : what was judged, or why nothing was, in words
    """

    stage: str
    accepted: bool
    gain: float
    error: float
    share: float
    reason: str

    @classmethod
    def untried(cls, stage: str, reason: str) -> "Verdict":
        """Of a stage that proposed nothing."""
        return cls(stage, False, 0.0, 0.0, 0.0, reason)


def judge(
    stage: str,
    family: Family,
    before: np.ndarray,
    after: np.ndarray,
    people: np.ndarray,
    null_deviance: float,
    *,
    accept_z: float,
    what: str = "",
) -> Verdict:
    """Compare two linear predictors on the same people, none of whom either was fitted to.

    before, after : float64 (n,)
    people        : bool (n,), who counts
    null_deviance : mean of a person, without predictors
    accept_z      : standard errors that the gain must reach
    what          : what the stage adds, in words
    """
    people = people & family.observed
    difference = (family.deviance(before) - family.deviance(after))[people]
    gain = float(difference.mean())
    error = float(difference.std(ddof=1) / np.sqrt(len(difference))) if len(difference) > 1 else 0.0
    accepted = gain > 0 and gain >= accept_z * error
    share = gain / null_deviance if null_deviance > 0 else 0.0
    return Verdict(stage, accepted, gain, error, share, what)
