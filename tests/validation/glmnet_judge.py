"""Ask R's glmnet, where it is installed, for the coefficients of a path."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

SCRIPT = """
suppressPackageStartupMessages({library(glmnet); library(survival)})
a <- commandArgs(TRUE)
x <- as.matrix(read.table(file.path(a[1], "x.tsv")))
y <- scan(file.path(a[1], "y.tsv"), quiet = TRUE)
w <- scan(file.path(a[1], "weight.tsv"), quiet = TRUE)
f <- scan(file.path(a[1], "factor.tsv"), quiet = TRUE)
lambda <- scan(file.path(a[1], "lambda.tsv"), quiet = TRUE)
fit <- glmnet(x, y, family = a[2], alpha = as.numeric(a[3]), lambda = lambda, weights = w,
              penalty.factor = f, standardize = FALSE, thresh = 1e-14, maxit = 1e7)
write.table(as.matrix(coef(fit)), file.path(a[1], "coef.tsv"), row.names = FALSE, col.names = FALSE)
"""


def rscript() -> str:
    """The path of Rscript; the test is skipped where it, or glmnet, is absent."""
    found = shutil.which("Rscript")
    if found is None:
        pytest.skip("Rscript is not installed")
    question = [found, "-e", "quit(status = !requireNamespace('glmnet', quietly = TRUE))"]
    if subprocess.run(question, check=False, capture_output=True).returncode:
        pytest.skip("R's glmnet is not installed")
    return found


def glmnet_path(
    folder: Path, x: np.ndarray, y: np.ndarray, family: str, l1_ratio: float,
    penalties: np.ndarray, weight: np.ndarray, factor: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Intercept and coefficients for falling penalties: float64 (1 + columns, penalties).

    factor : relative penalties, 0 for columns without one; glmnet scales them to a mean of 1
    """
    program = rscript()
    for name, array in {
        "x": x, "y": y, "weight": weight, "factor": factor, "lambda": penalties * factor.mean(),
    }.items():  # fmt: skip
        np.savetxt(folder / f"{name}.tsv", array, fmt="%.17g")
    (folder / "path.R").write_text(SCRIPT)
    subprocess.run(
        [program, str(folder / "path.R"), str(folder), family, str(l1_ratio)], check=True
    )
    return np.loadtxt(folder / "coef.tsv")
