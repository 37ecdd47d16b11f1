"""`genomed train` as a shell sees it: what it says, exit codes, its configuration."""

import json
import os
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from datafiles import REPOSITORY
from train_cohort import Cohort

from genomed.cli import main
from genomed.cli.train_progress import Lines
from genomed.io.model_bundle import open_model_bundle

Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return Cohort(tmp_path_factory.mktemp("cohort"), n=400)


def arguments(cohort: Cohort, out: Path, **changed: object) -> list[str]:
    """A quick run; None leaves an option out."""
    options: dict[str, object] = {
        "traits": cohort.folder / "traits.tsv", "trait": "y", "split": cohort.folder / "split.tsv",
        "build": "GRCh38", "out": out, "folds": 2, "stages": "none",
    }  # fmt: skip
    words = [str(cohort.store)]
    for name, value in (options | changed).items():
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


@pytest.fixture
def genomed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the program as `genomed train WORDS`; gives the exit code and what stderr got."""

    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["genomed", "train", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        return int(left.value.code or 0), capsys.readouterr().err

    return run


def write(path: Path, **columns: object) -> Path:
    pl.DataFrame(columns).write_csv(path, separator="\t")
    return path


def test_a_run_says_where_the_model_is(cohort: Cohort, tmp_path: Path, genomed: Run) -> None:
    code, said = genomed(*arguments(cohort, tmp_path / "model"))
    assert code == 0
    assert "elastic net" in said
    assert (tmp_path / "model" / "model.json").is_file()
    names = {path.name for path in (tmp_path / "model.training").iterdir()}
    assert names == {
        "config.toml", "metrics.tsv", "path.tsv", "predictions.tsv.gz", "run.json", "stages.tsv",
    }  # fmt: skip
    assert not (tmp_path / "model.checkpoints").exists()


def bad_traits(cohort: Cohort, path: Path, what: str) -> Path:
    samples, n = list(cohort.samples), len(cohort.samples)
    y = [f"{value:.4f}" for value in cohort.y]
    if what == "strangers":
        samples = [f"nobody{i}" for i in range(n)]
    elif what == "one class":
        return write(path, sample=samples, y=["1"] * n)
    elif what == "few cases":
        return write(path, sample=samples, y=["1"] * 3 + ["0"] * (n - 3))
    elif what == "twice":
        samples[7] = samples[3]
    elif what == "infinite":
        y[5] = "inf"
    elif what == "word":
        y[5] = "tall"
    elif what == "all missing":
        y = ["NA"] * n
    return write(path, sample=samples, y=y)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("strangers", "sample"),
        ("one class", "y"),
        ("few cases", "y"),
        ("twice", "line 9"),
        ("infinite", "line 7"),
        ("word", "line 7: 'tall' in column y is neither a number"),
        ("all missing", "y"),
    ],
)
def test_traits_that_cannot_be_learned_are_refused(
    cohort: Cohort, tmp_path: Path, genomed: Run, what: str, said: str
) -> None:
    path = bad_traits(cohort, tmp_path / "traits.tsv", what)
    code, error = genomed(*arguments(cohort, tmp_path / "model", traits=path), "-q")
    assert code == 3, error
    assert error.startswith(f"error: {path}")
    assert said in error
    assert error.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["traits.tsv"]


@pytest.mark.parametrize(
    ("columns", "code", "said"),
    [
        ({"age": "forty"}, 3, "line 3"),
        ({"born": "1970-01-31"}, 3, "is a date"),
        ({"weight": "71,5"}, 3, "decimal comma"),
        ({"dose": "inf"}, 3, "line 3"),
    ],
)
def test_covariates_that_are_no_covariates_are_refused(
    cohort: Cohort, tmp_path: Path, genomed: Run, columns: dict[str, str], code: int, said: str
) -> None:
    ((name, value),) = columns.items()
    values = [value if i == 1 or name in ("born", "weight") else str(i) for i in range(400)]
    path = write(tmp_path / "c.tsv", sample=cohort.samples, **{name: values})
    found, error = genomed(*arguments(cohort, tmp_path / "model", covariates=path), "-q")
    assert found == code, error
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "model").exists()


def test_constant_collinear_and_leaking_covariates_are_warned_of(
    cohort: Cohort, tmp_path: Path, genomed: Run
) -> None:
    age = [40 + i % 17 for i in range(400)]
    path = write(
        tmp_path / "c.tsv", sample=cohort.samples, age=age, twice=[2 * a for a in age],
        same=[5] * 400, hint=(3 * cohort.y).round(4),
    )  # fmt: skip
    code, _ = genomed(*arguments(cohort, tmp_path / "model", covariates=path), "-q")
    assert code == 0
    bundle = open_model_bundle(tmp_path / "model")
    warnings = " ".join(bundle.facts["warnings"])
    assert "twice is left out: it follows from age" in warnings
    assert "same is left out: it is the same for everybody" in warnings
    assert "hint" in warnings
    assert bundle.facts["covariates"]["names"] == ["age", "hint"]


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"trait": "height"}, 6, "has no column 'height'"),
        ({"build": None}, 3, "give --build"),
        ({"traits": "nowhere.tsv"}, 3, "nowhere.tsv"),
        ({"genome_net": "spiral"}, 2, "'spiral' is not one of local, convolution, recurrent"),
        ({"adversary": 1}, 2, "give --groups"),
        ({"private": "8,2"}, 2, "EPSILON"),
        ({"time_budget": "soon"}, 2, "90s, 30m or 4h"),
        ({"stages": "magic"}, 2, "choose from dominance"),
        ({"survival": "y=time"}, 2, "TRAIT=TIME,EVENT"),
        ({"config": "nowhere.toml"}, 3, "nowhere.toml: cannot be read"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    cohort: Cohort, tmp_path: Path, genomed: Run, changed: dict[str, object], code: int, said: str
) -> None:
    found, error = genomed(*arguments(cohort, tmp_path / "model", **changed), "-q")
    assert found == code, error
    assert said in " ".join(error.split())
    assert not any(tmp_path.iterdir())


def test_a_file_gives_options_and_the_command_line_wins(
    cohort: Cohort, tmp_path: Path, genomed: Run
) -> None:
    file = tmp_path / "run.toml"
    file.write_text(
        f'traits = "{cohort.folder}/traits.tsv"\ntrait = "y"\nsplit = "{cohort.folder}/split.tsv"\n'
        f'build = "GRCh38"\nfolds = 2\nstages = "none"\nmin_maf = 0.3\nstore = "{cohort.store}"\n'
        "[settings]\nmax_pairs = 9\n[settings.design]\nmin_level = 4\n"
    )
    code, error = genomed("--config", file, "--min-maf", "0.4", "--out", tmp_path / "a.zip", "-q")
    assert code == 0, error
    settings = open_model_bundle(tmp_path / "a.zip").facts["settings"]
    assert (settings["min_maf"], settings["max_pairs"]) == (0.4, 9)
    assert settings["design"]["min_level"] == 4
    written = tmp_path / "a.training" / "config.toml"
    assert tomllib.loads(written.read_text())["settings"]["max_pairs"] == 9
    code, error = genomed("--config", written, "--out", tmp_path / "b.zip", "-q")
    assert code == 0, error
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("min-mfa = 0.1", "no option called 'min-mfa'; did you mean 'min-maf'?"),
        ("verbose = 2", "no option called 'verbose'"),
        ("seed = [1, 2]", "seed takes one value"),
        ("[settings]\nmax_pears = 3", "no setting called settings.max_pears; did you mean 'max_p"),
        ("[settings]\nmin_maf = 0.1", "settings.min_maf is an option; write min-maf = ..."),
        ("[settings]\nmax_pairs = 'many'", "settings.max_pairs: 'many' is not of the kind"),
        ("[settings.split]\nmin_kin = 0.1", "did you mean 'min_kinship'?"),
        ("min-maf 0.1", "is not TOML"),
    ],
)
def test_a_file_that_is_wrong_says_where(
    cohort: Cohort, tmp_path: Path, genomed: Run, text: str, said: str
) -> None:
    file = tmp_path / "run.toml"
    file.write_text(text + "\n")
    code, error = genomed(*arguments(cohort, tmp_path / "model", config=file), "-q")
    assert code == 3, error
    assert said in error
    assert error.count("\n") == 1


def test_a_number_that_is_none_is_refused_by_its_option(
    cohort: Cohort, tmp_path: Path, genomed: Run
) -> None:
    file = tmp_path / "run.toml"
    file.write_text("min-maf = 'rare'\n")
    code, error = genomed(*arguments(cohort, tmp_path / "model", config=file), "-q")
    assert code == 2
    assert "--min-maf" in error


def test_lines_tell_what_is_left() -> None:
    said: list[str] = []
    now = [0.0]
    tell = Lines(said.append, lambda: now[0])
    for seconds, what, share in [(1, "pairs", 0.0), (5, "pairs", 0.1), (41, "pairs", 0.5),
                                 (60, "net: epoch 1 of at most 4", 0.25),
                                 (61, "net: epoch 2 of at most 4", 0.5)]:  # fmt: skip
        now[0] = float(seconds)
        tell(what, share)
    assert [line.split("s  ", 1)[1] for line in said] == [
        "pairs", "pairs: 50%, about 40 s left", "net",
    ]  # fmt: skip


def test_two_processes_train_one_net_and_the_first_writes(cohort: Cohort, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    out = tmp_path / "model"
    words = arguments(
        cohort, out, stages="net", covariates=cohort.folder / "covariates.tsv", net_epochs=2,
        threads=1,
    )  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "genomed", "train", *words, "--json"],
            env=os.environ | {"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank),
                              "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port},
            cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    stages = json.loads(said[0][0])["traits"][0]["stages"]
    assert "a net of 0 variants and" in stages[-1]["reason"]
    assert said[1][0] == ""
    assert open_model_bundle(out).name == "y"
    log = (tmp_path / "model.training" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in log] == [0, 1, 2]
    assert not (tmp_path / "model.checkpoints").exists()
