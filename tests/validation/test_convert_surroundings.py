"""Bad input and bad surroundings for `genomed convert`: the old store stays, or nothing does."""

import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from datafiles import shared_data
from strategies import bgzf_bytes
from validation.broken_inputs import Outcome, broken_files, try_all
from validation.plink2_round_trip import validate
from validation.test_broken_inputs import GENOMED, cohort_text, mounted

from genomed.settings import ConvertSettings
from genomed.steps.convert import ConvertInputs, run_convert

STORE = (".pgen", ".pvar", ".psam", ".ledger.tsv.gz", ".run.json")
BYTES = STORE[:4]  # run.json says when it was made

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return try_all(broken_files(shared_data("broken")), "convert")


@pytest.mark.parametrize("fault", ["traceback", "hang", "crash", "half-written"])
def test_no_broken_file_ends_in_our_fault(outcomes: list[Outcome], fault: str) -> None:
    assert [f"{o.path.name}: {o.message}" for o in outcomes if o.kind == fault] == []


def test_every_refusal_is_an_input_error_that_names_the_file(outcomes: list[Outcome]) -> None:
    refused = [o for o in outcomes if o.kind == "refused"]
    assert len(refused) > 100
    assert [o.path.name for o in refused if o.code != 3 or o.path.name not in o.message] == []


def test_every_record_that_was_read_has_a_fate(outcomes: list[Outcome]) -> None:
    read = [o.records for o in outcomes if o.kind == "read"]
    assert len(read) > 100
    for one in read:
        assert one["records"] == one["passed_over"] + one["read"] + sum(one["refused"].values())
        assert one["rows"] == one["stored"] + sum(one["dropped"].values())


@pytest.mark.skipif(shutil.which("plink2") is None, reason="no plink2")
def test_plink2_takes_whatever_a_broken_file_became(
    outcomes: list[Outcome], tmp_path: Path
) -> None:
    for number, outcome in enumerate(o for o in outcomes if o.kind == "read"):
        prefix = tmp_path / str(number)
        inputs = ConvertInputs(paths=[str(outcome.path)])
        run_convert(inputs, prefix, ConvertSettings(phase=True, info=("all",)))
        validate(prefix, tmp_path / "log")


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    path = tmp_path / "cohort.vcf.gz"
    path.write_bytes(bgzf_bytes(cohort_text(100)))
    return path


def command(inputs: Sequence[Path | str], out: Path, *options: str) -> list[str]:
    return [*GENOMED, "convert", *map(str, inputs), "--out", str(out), *options]


def run(
    inputs: Sequence[Path | str],
    out: Path,
    *options: str,
    wrapper: tuple[str, ...] = (),
    preexec_fn: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*wrapper, *command(inputs, out, *options)],
        capture_output=True, text=True, timeout=120, preexec_fn=preexec_fn, check=False,
    )  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("old", [True, False])
def test_a_signal_half_way_leaves_things_as_they_were(
    cohort: Path, tmp_path: Path, sent: signal.Signals, code: int, old: bool
) -> None:
    out = tmp_path / "made" / "store"
    if old:
        assert run([cohort], out).returncode == 0
    before = contents(out.parent) if old else None
    with subprocess.Popen(
        command(["-"], out), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        text = cohort_text(5000)
        process.stdin.write(text)
        records = text[text.index(b"\n1\t") + 1 :]
        while not (out.parent / "store.unfinished" / "0000.pgen.body").is_file():
            assert process.poll() is None
            process.stdin.write(records)  # positions begin anew, which is forgiven
            process.stdin.flush()
        process.send_signal(sent)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == code
    assert b"Traceback" not in stderr
    assert not (out.parent / "store.unfinished").exists()
    assert (contents(out.parent) if old else out.parent.exists()) == (before or False)


def test_a_killed_run_is_resumed_to_the_same_bytes(tmp_path: Path) -> None:
    parts = []
    for contig, n in (("1", 500), ("2", 500), ("3", 60_000)):
        parts.append(tmp_path / f"{contig}.vcf")
        parts[-1].write_bytes(cohort_text(n).replace(b"\n1\t", f"\n{contig}\t".encode()))
    assert run(parts, tmp_path / "whole").returncode == 0
    out = tmp_path / "store"
    with subprocess.Popen(command(parts, out), stderr=subprocess.DEVNULL) as process:
        while not (tmp_path / "store.unfinished" / "0001.json").is_file():
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
    assert not list(tmp_path.glob("store.p*"))
    made = (tmp_path / "store.unfinished" / "0000.pgen.body").stat().st_mtime_ns
    broken = parts[2].read_bytes()
    done = run([*parts[:2], tmp_path / "absent.vcf"], out, "--resume")
    assert done.returncode == 3
    assert (tmp_path / "store.unfinished" / "0000.pgen.body").stat().st_mtime_ns == made
    assert parts[2].read_bytes() == broken
    done = run(parts, out, "--resume")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "store.unfinished").exists()
    for ending in BYTES:
        assert Path(f"{out}{ending}").read_bytes() == Path(f"{tmp_path}/whole{ending}").read_bytes()


def test_a_limit_on_file_size_is_an_output_error(cohort: Path, tmp_path: Path) -> None:
    def limit() -> None:  # in the child: as `ulimit -f 4` does
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    folder = tmp_path / "made"
    assert run([cohort], folder / "store").returncode == 0  # kernels are cached from here on
    before = contents(folder)
    done = run([cohort], folder / "store", "--min-ac", "1", preexec_fn=limit)
    assert done.returncode == 5, done.stderr
    assert "error:" in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(folder) == before
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("options", ["size=16k", "ro"])
def test_a_full_or_read_only_disk_is_an_output_error(
    cohort: Path, tmp_path: Path, options: str
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = run([cohort], disk / "store", wrapper=mounted(options, disk))
    assert done.returncode == 5, done.stderr
    assert "error:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not any(line.startswith("store") for line in done.stderr.splitlines())


def test_a_file_in_place_of_the_directory_is_an_output_error(cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    done = run([cohort], tmp_path / "file" / "store")
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "file").read_text() == "mine"
