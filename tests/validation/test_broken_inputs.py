"""Bad input and bad surroundings: a clear sentence, an exit code, nothing half-written."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from datafiles import shared_data
from reference_vcf import ReferenceVcfError, read_vcf_text
from strategies import bgzf_bytes
from validation.broken_inputs import (
    Outcome,
    broken_files,
    must_be_read,
    risk_arguments,
    try_all,
    write_model,
)

from genomed.errors import InputError

pytest.importorskip("genomed.cli.risk", reason="genomed risk is not there", exc_type=ImportError)

OUTPUTS = {"risk.tsv", "risk.parquet", "models.tsv", "ledger.tsv.gz", "run.json", "risk.html"}
N_SAMPLES = 200
GENOMED = [sys.executable, "-m", "genomed"]


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return try_all(broken_files(shared_data("broken")))


def described(outcomes: list[Outcome]) -> list[str]:
    return [f"{o.path.name}: {o.kind} {o.code} {o.message}" for o in outcomes]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["traceback", "hang", "crash", "half-written"])
def test_no_broken_file_ends_in_our_fault(outcomes, fault):
    assert described([o for o in outcomes if o.kind == fault]) == []


@pytest.mark.slow
def test_every_file_that_its_authors_call_good_is_read(outcomes):
    good = [o for o in outcomes if must_be_read(o.path)]
    assert len(good) > 30
    assert described([o for o in good if o.kind != "read"]) == []


@pytest.mark.slow
def test_every_refusal_is_an_input_error_that_names_the_file(outcomes):
    refused = [o for o in outcomes if o.kind == "refused"]
    assert len(refused) > 10
    unnamed = [o for o in refused if o.code != 3 or o.path.name not in o.message]
    assert described(unnamed) == []


@pytest.mark.slow
def test_truncated_bgzf_is_refused_and_plain_gzip_is_read(outcomes):
    kinds = {o.path.name: o.kind for o in outcomes}
    assert kinds["4featuresHG38Header.TRUNCATED_FINAL_BLOCK.vcf.gz"] == "refused"
    assert kinds["vcfexample.vcf.truncated.gz"] == "refused"
    assert kinds["4featuresHG38Header.REGULAR_GZIP.vcf.gz"] == "read"
    assert kinds["4featuresHG38Header.vcf.gz"] == "read"


@pytest.mark.slow
def test_run_json_accounts_for_every_record_that_was_read(outcomes):
    counted = [o for o in outcomes if o.records and o.path.suffix == ".vcf"]
    assert len(counted) > 100
    differing = []
    for outcome in counted:
        lines = outcome.path.read_bytes().split(b"\n")
        n_lines = sum(bool(line.strip()) and not line.startswith(b"#") for line in lines)
        found = outcome.records
        fates = found["n_passed_over"] + found["n_emitted"] + sum(found["refused"].values())
        if not found["n_records"] == fates == n_lines:
            differing.append(f"{outcome.path.name}: {n_lines} lines, {found}")
    assert differing == []


@pytest.mark.slow
def test_the_reader_and_the_reference_agree_on_every_broken_text():
    from genomed.io.vcf import VcfReader

    differing = []
    for path in broken_files(shared_data("broken")):
        if path.suffix != ".vcf":
            continue
        try:
            with contextlib.closing(VcfReader(path)) as reader:
                seen = [row for batch in reader.iter_batches() for row in batch.alt_count.tolist()]
        except InputError:
            continue
        try:
            expected = [row.alt_count for row in read_vcf_text(path.read_bytes()).rows]
        except ReferenceVcfError as refusal:
            differing.append(f"{path.name}: read, though {refusal}")
            continue
        if seen != expected:
            differing.append(f"{path.name}: other rows")
    assert differing == []


def cohort_text(n_records: int) -> bytes:
    """A regular VCF of N_SAMPLES samples, 800 bytes a record."""
    names = "\t".join(f"s{i}" for i in range(N_SAMPLES))
    header = "##fileformat=VCFv4.3\n##contig=<ID=1,length=249250621>\n"
    header += f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{names}\n"
    calls = "\t".join(["0|0", "0|1", "1|0", "1|1"] * (N_SAMPLES // 4))
    records = (f"1\t{1000 + i}\t.\tA\tG\t.\tPASS\t.\tGT\t{calls}\n" for i in range(n_records))
    return (header + "".join(records)).encode()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.txt"
    write_model(path, [("1", 1000 + 10 * i, "A", "G") for i in range(5)])
    return path


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    path = tmp_path / "cohort.vcf.gz"
    path.write_bytes(bgzf_bytes(cohort_text(100)))
    return path


def run(cohort: Path | str, model: Path, out: Path, wrapper: tuple[str, ...] = (), **options):
    command = [*wrapper, *GENOMED, *risk_arguments(cohort, model, out)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def assert_refused_to_write(done: subprocess.CompletedProcess) -> None:
    assert "Traceback" not in done.stderr
    assert done.returncode == 5, done.stderr
    assert "error:" in done.stderr


def final_names(out: Path) -> set[str]:
    return {path.name for path in out.iterdir()} if out.is_dir() else set()


@contextlib.contextmanager
def reading_from_a_pipe(model: Path, out: Path):
    """A run of `genomed risk -` that has taken 4 MB of records and waits for more."""
    command = [*GENOMED, *risk_arguments("-", model, out)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        process.stdin.write(cohort_text(5000))
        process.stdin.flush()
        time.sleep(1)
        assert process.poll() is None, process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_good_run_writes_every_output(cohort, model, tmp_path):
    done = run(cohort, model, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert final_names(tmp_path / "out") >= OUTPUTS


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_half_way_leaves_no_final_name(model, tmp_path, sent, code):
    out = tmp_path / "out"
    with reading_from_a_pipe(model, out) as process:
        process.send_signal(sent)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == code
    assert b"Traceback" not in stderr
    assert final_names(out) == set()


@pytest.mark.slow
def test_standard_input_that_ends_well_is_scored(model, tmp_path):
    with reading_from_a_pipe(model, tmp_path / "out") as process:
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert final_names(tmp_path / "out") >= OUTPUTS


@pytest.mark.slow
def test_a_directory_that_vanishes_is_an_output_error_or_made_again(model, tmp_path):
    out = tmp_path / "parent" / "out"
    out.mkdir(parents=True)
    with reading_from_a_pipe(model, out) as process:
        shutil.rmtree(out.parent)
        _, stderr = process.communicate(timeout=60)
    assert b"Traceback" not in stderr
    assert process.returncode in (0, 5)
    assert final_names(out) >= OUTPUTS if process.returncode == 0 else not final_names(out)


@pytest.mark.slow
def test_a_file_in_place_of_the_directory_is_an_output_error(cohort, model, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert_refused_to_write(run(cohort, model, tmp_path / "file" / "out"))
    assert_refused_to_write(run(cohort, model, tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission_is_an_output_error(cohort, model, tmp_path):
    out = tmp_path / "out"
    out.mkdir(mode=0o555)
    assert_refused_to_write(run(cohort, model, out))
    assert final_names(out) == set()


@pytest.mark.slow
def test_a_limit_on_file_size_is_an_output_error(cohort, model, tmp_path):
    def limit() -> None:  # in the child: as `ulimit -f 4` does
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    run(cohort, model, tmp_path / "warm")  # kernels are cached from here on
    done = run(cohort, model, tmp_path / "out", preexec_fn=limit)
    assert_refused_to_write(done)
    assert final_names(tmp_path / "out") == set()


def mounted(options: str, folder: Path) -> tuple[str, ...]:
    """A wrapper that mounts a tmpfs on `folder` for one command only, or a skip."""
    mount = f'mount -t tmpfs -o {options} tmpfs "{folder}"'
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    if subprocess.run([*unshare, mount], capture_output=True).returncode:
        pytest.skip("this system lets no user mount a tmpfs")
    return (*unshare, f'{mount} && "$@"; code=$?; ls -A "{folder}" >&2; exit $code', "sh")


@pytest.mark.slow
@pytest.mark.parametrize("options", ["size=16k", "ro"])
def test_a_full_or_read_only_disk_is_an_output_error(cohort, model, tmp_path, options):
    disk = tmp_path / "disk"
    disk.mkdir()
    wrapper = mounted(options, disk)
    done = run(cohort, model, disk / "out", wrapper)
    assert_refused_to_write(done)
    assert not any(name in done.stderr.splitlines() for name in OUTPUTS)
