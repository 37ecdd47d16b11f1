"""Sex as the calls on X and Y have it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["STATUSES", "SexCheck", "check_sex"]

MALE, FEMALE, UNKNOWN = 1, 2, 0
STATUSES = ("ok", "mismatch", "ambiguous", "undeclared", "unknown")
OK, MISMATCH, AMBIGUOUS, UNDECLARED, NOT_KNOWN = range(5)


class SexCheck(NamedTuple):
    """Per sample.

    sex    : int8 (samples,), 1 male, 2 female, 0 where the calls do not decide
    status : int8 (samples,), index into STATUSES
    """

    sex: np.ndarray
    status: np.ndarray


def check_sex(
    declared: np.ndarray,
    x_f: np.ndarray,
    n_x: np.ndarray,
    y_call_rate: np.ndarray,
    *,
    max_female_f: float,
    min_male_f: float,
    min_n_x: int,
) -> SexCheck:
    """Infer sex from the inbreeding coefficient on X, and from Y where X does not decide.

    declared     : int8 (samples,), 1 male, 2 female, 0 unknown
    x_f          : float64 (samples,), F on X but for the pseudo-autosomal regions, NaN unknown
    n_x          : int64 (samples,), genotypes behind it; fewer than min_n_x say nothing
    y_call_rate  : float64 (samples,), share of the variants on Y with a call, NaN without any
    max_female_f : F below this is a female's, above min_male_f a male's (plink 1.9 --check-sex:
                   0.2 and 0.8)

    Y is heard only where it tells the sexes of this cohort apart: those whom X calls male have
    calls (median share above 0.5), and those whom it calls female have none (below 0.1). Then
    whoever X does not decide on is male above 0.5 and female below 0.1, and a sample whose Y
    contradicts its X, as in people with XXY or X0, is ambiguous.
    """
    with np.errstate(invalid="ignore"):
        usable = (n_x >= min_n_x) & np.isfinite(x_f)
        sex = np.select(
            [usable & (x_f > min_male_f), usable & (x_f < max_female_f)], [MALE, FEMALE]
        )
        by_y = np.select([y_call_rate > 0.5, y_call_rate < 0.1], [MALE, FEMALE])
    ambiguous = np.zeros(len(sex), np.bool_)
    if _y_tells(sex, y_call_rate):
        ambiguous = (sex > 0) & (by_y > 0) & (sex != by_y)
        sex = np.where(sex == UNKNOWN, by_y, sex)
    status = np.full(len(sex), OK, np.int8)
    status[sex != declared] = MISMATCH
    status[declared == UNKNOWN] = UNDECLARED
    status[sex == UNKNOWN] = NOT_KNOWN
    status[ambiguous] = AMBIGUOUS
    return SexCheck(sex.astype(np.int8), status)


def _y_tells(sex: np.ndarray, y_call_rate: np.ndarray) -> bool:
    known = np.isfinite(y_call_rate)
    male, female = (y_call_rate[known & (sex == one)] for one in (MALE, FEMALE))
    return bool(len(male) and len(female) and np.median(male) > 0.5 and np.median(female) < 0.1)
