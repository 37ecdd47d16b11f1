"""How far a run is and what failed in it, from messages as Snakemake 9 logs them."""

import logging
from pathlib import Path
from typing import Any

from genomed.steps.run_events import Progress
from genomed.steps.run_failures import explain_failures, shared_exit_code

CONFIG = Path("my.yaml")


def see(progress: Progress, event: str | None = None, text: str = "", **fields: Any) -> None:
    record = logging.makeLogRecord({"msg": text, "levelno": logging.INFO, **fields})
    if event:
        record.event = event
    progress.see(record)


def begin(progress: Progress, number: int, rule: str, **fields: Any) -> None:
    wildcards, command = {"cohort": "one"}, f"genomed {rule} x"
    see(progress, "job_info", jobid=number, rule_name=rule, wildcards=wildcards, shellcmd=command,
        resources={"mem_mb": 500, "runtime": 5}, **fields)  # fmt: skip


def fail(progress: Progress, number: int, rule: str, message: str = "", *logs: Path) -> None:
    see(progress, "job_error", jobid=number, rule_name=rule, rule_msg=message, log=map(str, logs))


def test_jobs_are_counted_without_the_rule_that_only_asks_for_them() -> None:
    progress = Progress()
    see(progress, "run_info", stats={"all": 1, "convert": 2, "qc": 1, "total": 4})
    begin(progress, 1, "convert")
    see(progress, "job_finished", job_id=1)
    see(progress, "job_finished", job_id=0)

    assert (progress.n_done, progress.n_to_do) == (1, 3)


def test_what_is_left_is_told_by_the_pace_and_what_was_predicted() -> None:
    now = [0.0]
    progress = Progress(clock=lambda: now[0])
    progress.predicted_s = {"convert": 10.0, "train": 90.0}
    see(progress, "run_info", stats={"convert": 1, "train": 1, "total": 2})
    assert progress.seconds_left() is None
    begin(progress, 1, "convert")
    now[0] = 20.0
    see(progress, "job_finished", job_id=1)

    assert progress.seconds_left() == 180.0


def test_a_job_that_is_tried_again_and_succeeds_has_not_failed() -> None:
    progress = Progress()
    begin(progress, 1, "qc")
    fail(progress, 1, "qc")
    assert len(progress.failed()) == 1
    begin(progress, 1, "qc")
    see(progress, "job_finished", job_id=1)

    assert progress.failed() == []
    assert len(progress.failures) == 1


def test_the_exit_code_is_that_of_the_job_whose_command_failed() -> None:
    progress = Progress()
    begin(progress, 1, "qc")
    begin(progress, 2, "risk")
    for rule, code in (("qc", 3), ("risk", 4)):
        said = f"CalledProcessError: 'genomed {rule} x' returned non-zero exit status {code}."
        see(progress, "error", said)
    fail(progress, 1, "qc")
    assert shared_exit_code(progress.failed()) == 3
    fail(progress, 2, "risk")

    assert [failure.exit_code for failure in progress.failed()] == [3, 4]
    assert shared_exit_code(progress.failed()) == 1


def test_memory_that_ran_out_within_a_slurm_job_is_read_from_its_log(tmp_path: Path) -> None:
    log, kept = tmp_path / "qc.log", tmp_path / "7.log"
    log.write_text("reading\n")
    kept.write_text("slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.1.\n")
    progress = Progress()
    begin(progress, 1, "qc", log=[str(log)])
    see(progress, None, f"Job 1 has been submitted with SLURM jobid 7 (log: {kept}).")
    fail(progress, 1, "qc", "SLURM-job '7' failed, SLURM status is: 'FAILED'.", log, kept)

    text = explain_failures(progress.failed(), CONFIG)
    assert "qc one failed: Slurm job 7 ended as OUT_OF_MEMORY" in text
    assert f"  the end of {log}:\n    reading" in text
    assert "give it more memory: qc: mem_mb in my.yaml (it had 500 MB)" in text


def test_a_job_that_somebody_cancelled_is_told_as_such() -> None:
    progress = Progress()
    begin(progress, 1, "qc")
    fail(progress, 1, "qc", "SLURM-job '7' failed, SLURM status is: 'CANCELLED'.")

    assert "somebody cancelled it; run the same command again" in explain_failures(
        progress.failed(), CONFIG
    )
