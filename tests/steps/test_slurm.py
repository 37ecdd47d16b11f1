"""What is learned of a cluster from its own programs, here scripts that answer as it does."""

import stat
from pathlib import Path

import pytest

from genomed.steps.slurm import cancel_jobs, find_cluster, find_jobs

JOBS = """\
11|RUNNING|genomed-1a_x
12|PENDING|genomed-1a_x
13|COMPLETED|genomed-1a_x
14|RUNNING|somebody
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is all of PATH but the shell's own."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    answer(tmp_path, "sbatch", "exit 0")
    answer(tmp_path, "sinfo", 'case "$1" in --version) echo slurm 22.05.8;; *) echo main*;; esac')
    answer(tmp_path, "scontrol", 'echo "MinJobAge               = 300 sec"')
    answer(tmp_path, "sacct", "echo Slurm accounting storage is disabled >&2; exit 1")
    answer(tmp_path, "squeue", f"cat <<'END'\n{JOBS}END")
    return tmp_path


def answer(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)


def test_a_cluster_without_accounts_is_asked_by_squeue(programs: Path) -> None:
    cluster = find_cluster()

    assert cluster is not None
    assert cluster.answers
    assert (cluster.version, cluster.partitions) == ("slurm 22.05.8", ("main*",))
    assert (cluster.status_command, cluster.min_job_age_s) == ("squeue", 300)


@pytest.mark.parametrize(("age_s", "command"), [(300, "squeue"), (60, "sacct")])
def test_a_cluster_with_accounts_is_asked_by_sacct_only_where_squeue_forgets(
    programs: Path, age_s: int, command: str
) -> None:
    answer(programs, "sacct", "exit 0")
    answer(programs, "scontrol", f'echo "MinJobAge               = {age_s} sec"')

    cluster = find_cluster()

    assert cluster is not None
    assert cluster.has_accounts
    assert cluster.status_command == command


def test_a_controller_that_is_silent_ends_no_waiting(programs: Path) -> None:
    for name in ("sinfo", "squeue", "sacct", "scontrol"):
        answer(programs, name, "exec sleep 30")

    cluster = find_cluster(timeout_s=0.2)

    assert cluster is not None
    assert not cluster.answers
    assert find_jobs("genomed-1a", timeout_s=0.2) is None


def test_only_jobs_of_the_run_that_have_not_ended_are_its_jobs(programs: Path) -> None:
    jobs = find_jobs("genomed-1a")

    assert jobs is not None
    assert [(job.identity, job.state) for job in jobs] == [("11", "RUNNING"), ("12", "PENDING")]


def test_jobs_are_cancelled_by_their_numbers(programs: Path) -> None:
    answer(programs, "scancel", f'echo "$@" > {programs}/cancelled')

    cancel_jobs(find_jobs("genomed-1a") or [])
    assert (programs / "cancelled").read_text() == "11 12\n"
