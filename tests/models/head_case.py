"""A small training that another process can run: python head_case.py DIRECTORY [slowly]."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from genomed.io.checkpoints import Checkpoints
from genomed.models.families import Quantitative
from genomed.models.head_inputs import HeadInputs
from genomed.models.members import TrainingConfig
from genomed.models.parallel import workers_from_environment
from genomed.models.risk_net import NetConfig
from genomed.models.training import FittedHead, HeadConfig, fit_head, run_fingerprint

N = 600


def case(**changed: Any) -> dict[str, Any]:
    """Arguments of fit_head."""
    rng = np.random.default_rng(1)
    copies = rng.binomial(2, 0.4, (N, 5)).astype(np.int8)
    y = (copies[:, 0] - 0.8) * (copies[:, 1] - 0.8) + rng.normal(0, 0.5, N)
    training = TrainingConfig(epochs=4, patience=4, batch=100, **changed)
    return {
        "inputs": HeadInputs.of(N, hubs=copies, group=rng.integers(0, 2, N)),
        "families": [Quantitative(y)],
        "offset": np.zeros((N, 1)),
        "fold": (np.arange(N) % 3).astype(np.int8),
        "config": HeadConfig(NetConfig(mixer="both", layers=1), training),
        "seed": 7,
    }


def as_bytes(fitted: FittedHead) -> bytes:
    """All that training leaves, as the bytes a bundle would hold."""
    arrays = {
        f"{k}.{name}": value.numpy()
        for k, member in enumerate(fitted.members)
        for name, value in member.items()
    }
    return save(arrays | {"out_of_fold": fitted.out_of_fold})


def train(directory: Path, log: Any = None, **changed: Any) -> FittedHead:
    given = case(**changed)
    with workers_from_environment("cpu") as workers:
        print_of = run_fingerprint(**given, device="cpu", threads=1, workers=workers)
        keeper = Checkpoints(directory / "checkpoints", print_of)
        return fit_head(**given, keeper=keeper, log=log, workers=workers)


def main() -> None:
    directory = Path(sys.argv[1])

    def wait(facts: Mapping[str, Any]) -> None:
        (directory / f"epoch-{facts['epoch']}").touch()
        time.sleep(0.5 if "slowly" in sys.argv else 0)

    fitted = train(directory, wait, adversary=0.1 if "adversary" in sys.argv else 0.0)
    (directory / f"fitted-{os.environ.get('RANK', '0')}").write_bytes(as_bytes(fitted))


if __name__ == "__main__":
    main()
