import importlib.metadata
import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from genomed.steps import doctor, machine
from genomed.steps.doctor import NOTE, OK, UNFIT, DoctorSettings, Finding, examine

SMALL = DoctorSettings(matrix_size=64, scratch_test_bytes=4096)


def asked(check, settings: DoctorSettings = SMALL) -> dict[str, Finding]:
    return {finding.name: finding for finding in check(settings)}


@pytest.fixture(scope="module")
def findings() -> dict[str, Finding]:
    found = examine(SMALL)
    assert len({finding.name for finding in found}) == len(found)
    return {finding.name: finding for finding in found}


def test_every_question_is_answered_once_and_known_by_its_status(findings):
    assert {finding.status for finding in findings.values()} <= {OK, NOTE, UNFIT}
    assert {"python", "genomed", "polars", "htslib", "processors", "memory"} < set(findings)
    assert {"scratch", "kernel cache", "text encoding", "bundled panel"} < set(findings)
    assert {
        "numpy numerics",
        "torch numerics on cpu",
        "whole numbers on cpu",
        "bcftools",
        "plink2",
    } < set(findings)


def test_whatever_is_not_ok_comes_with_advice(findings):
    assert all(finding.advice for finding in findings.values() if finding.status != OK)


def test_the_machine_that_runs_the_tests_is_fit(findings):
    assert [f for f in findings.values() if f.status == UNFIT] == []


def test_the_htslib_that_is_used_is_named(findings):
    import pysam

    assert pysam.version.__htslib_version__ in findings["htslib"].value


def test_what_inflates_is_named(findings, monkeypatch):
    from genomed.io import libdeflate

    path = libdeflate.find_libdeflate()
    value = "not found" if path is None else f"in {path}"
    assert findings["libdeflate"].value == value
    monkeypatch.setattr(libdeflate, "find_libdeflate", lambda: None)
    without = {finding.name: finding for finding in examine(SMALL)}["libdeflate"]
    assert without.status == NOTE
    assert "zlib-ng" in without.advice


def test_a_check_that_breaks_down_is_a_finding(monkeypatch):
    def broken(settings):
        raise RuntimeError("no such thing")
        yield

    for check in ("_numerics", "_tools", "_htslib"):
        monkeypatch.setattr(doctor, check, lambda settings: iter(()))
    monkeypatch.setattr(doctor, "_memory", broken)
    (finding,) = [f for f in examine(SMALL) if f.name == "broken"]
    assert (finding.status, finding.value) == (UNFIT, "RuntimeError: no such thing")


# ---------------------------------------------------------------- software


def test_a_package_that_is_absent_or_too_old_is_unfit():
    assert doctor._package("no-such-package", "1.0").status == UNFIT
    assert "pip install 'no-such-package>=1.0'" in doctor._package("no-such-package", "1.0").advice
    assert doctor._package("numpy", "999").status == UNFIT
    assert doctor._package("numpy", "1.0").status == OK


@pytest.mark.parametrize(
    ("version", "release"),
    [("2.13.0+cpu", (2, 13, 0)), ("1.0rc1", (1, 0)), ("3", (3,)), ("odd", ())],
)
def test_a_release_is_the_numbers_a_version_begins_with(version, release):
    assert doctor._release(version) == release


def test_every_core_dependency_is_asked_about_and_no_optional_one(monkeypatch):
    lines = ["numpy>=2.0", "torch<2.14,>=2.6", "rich", "bgen>=1.7; extra == 'bgen'"]
    monkeypatch.setattr("importlib.metadata.requires", lambda name: lines)
    assert doctor._requirements() == {("numpy", "2.0"), ("torch", "2.6"), ("rich", "0")}


def test_a_copy_that_was_never_installed_knows_its_dependencies(monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.requires", absent)
    names = {name for name, _ in doctor._requirements()}
    assert {"numpy", "polars", "pysam", "torch"} <= names
    assert not names & {"pytest", "snakemake"}


def tool(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)


def test_a_tool_is_asked_for_its_version_and_need_not_answer(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    tool(tmp_path / "bcftools", "echo bcftools 9.9; echo more")
    tool(tmp_path / "plink2", "exec sleep 30")
    tool(tmp_path / "snakemake", "echo cannot start >&2; exit 1")
    tools = asked(doctor._tools, DoctorSettings(tool_timeout_s=0.3))
    assert (tools["bcftools"].status, tools["bcftools"].value[:12]) == (OK, "bcftools 9.9")
    assert (tools["plink2"].status, "does not answer" in tools["plink2"].value) == (NOTE, True)
    assert tools["snakemake"].status == NOTE
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert {finding.value for finding in asked(doctor._tools).values()} == {"not found"}


# ---------------------------------------------------------------- machine


@pytest.fixture
def cgroup(tmp_path, monkeypatch) -> Path:
    """A control group of ours, two levels deep, for the checks to read."""
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    own = Path("/proc/self/cgroup")
    if not own.exists():
        pytest.skip("no control groups here")
    return tmp_path


def test_a_limit_on_processors_is_seen(cgroup, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    assert asked(doctor._processors)["processors"].value == "16 of 64 may be used"
    (cgroup / "cpu.max").write_text("250000 100000\n")
    found = asked(doctor._processors)["processors"]
    assert (found.status, found.value) == (NOTE, "2.5 of 64 may be used")
    assert found.advice == "give --threads 2 or fewer"
    (cgroup / "cpu.max").write_text("max 100000\n")
    assert asked(doctor._processors)["processors"].value == "16 of 64 may be used"


def test_an_old_control_group_is_understood_too(cgroup, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    (cgroup / "cpu").mkdir()
    (cgroup / "cpu" / "cpu.cfs_quota_us").write_text("300000\n")
    (cgroup / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert asked(doctor._processors)["processors"].value == "3 of 8 may be used"
    (cgroup / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    assert asked(doctor._processors)["processors"].status == OK


@pytest.mark.parametrize(
    ("limit", "used", "status", "value"),
    [
        ("max", "0", OK, "30.0 of 32.0 GiB free"),
        (f"{8 << 30}", f"{1 << 30}", OK, "7.0 GiB free within a limit of 8.0 GiB"),
        (f"{8 << 30}", f"{6 << 30}", NOTE, "2.0 GiB free within a limit of 8.0 GiB"),
        (f"{8 << 30}", f"{9 << 30}", UNFIT, "0.0 GiB free within a limit of 8.0 GiB"),
    ],
)
def test_a_limit_on_memory_is_seen(cgroup, monkeypatch, limit, used, status, value):
    monkeypatch.setattr(doctor, "system_memory", lambda: (32 << 30, 30 << 30))
    (cgroup / "memory.max").write_text(limit)
    (cgroup / "memory.current").write_text(used)
    found = asked(doctor._memory)["memory"]
    assert (found.status, found.value) == (status, value)


def test_the_memory_of_this_machine_is_told():
    total, available = machine.system_memory()
    assert 0 < available <= total
    assert total > 100 << 20


def test_scratch_that_cannot_be_written_is_unfit(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    found = asked(doctor._scratch)["scratch"]
    assert (found.status, "TMPDIR" in found.advice) == (UNFIT, True)


@pytest.mark.parametrize(
    ("low", "least", "status"), [(0, 0, OK), (1e9, 0, NOTE), (1e9, 1e9, UNFIT)]
)
def test_scratch_is_measured_and_left_clean(tmp_path, monkeypatch, low, least, status):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    settings = DoctorSettings(low_scratch_gib=low, min_scratch_gib=least, scratch_test_bytes=512)
    assert asked(doctor._scratch, settings)["scratch"].status == status
    assert list(tmp_path.iterdir()) == []


def test_a_cache_for_kernels_that_cannot_be_written_is_a_note(tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMED_KERNEL_CACHE", str(tmp_path / "new" / "cache"))
    assert asked(doctor._kernel_cache)["kernel cache"].status == OK
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GENOMED_KERNEL_CACHE", str(tmp_path / "file" / "cache"))
    assert asked(doctor._kernel_cache)["kernel cache"].status == NOTE


def test_text_that_is_not_utf8_is_a_note(monkeypatch):
    monkeypatch.setattr("locale.getpreferredencoding", lambda do_setlocale: "ANSI_X3.4-1968")
    found = asked(doctor._text_encoding)["text encoding"]
    assert (found.status, "C.UTF-8" in found.advice) == (NOTE, True)


# ---------------------------------------------------------------- numbers


@pytest.fixture
def matrices():
    rng = np.random.default_rng(5)
    left, right = (rng.standard_normal((64, 64)).astype(np.float32) for _ in range(2))
    return left, right, left.astype(np.float64) @ right.astype(np.float64), SMALL


def half_precision(left, right):
    with np.errstate(all="ignore"):
        return (left.astype(np.float16) @ right.astype(np.float16)).astype(np.float32)


def deaf_to_nan(left, right):
    return np.nan_to_num(np.matmul(left, right), nan=0, posinf=np.inf)


def clipping(left, right):
    return np.clip(np.matmul(left, right), -1e30, 1e30)


class Wavering:
    """Another last bit at every call."""

    def __init__(self):
        self.calls = 0

    def __call__(self, left, right):
        self.calls += 1
        return np.matmul(left, right) * np.float32(1 + self.calls * 2**-22)


@pytest.mark.parametrize(
    ("product", "flaw"),
    [
        (half_precision, "an error above 1e-05"),
        (deaf_to_nan, "NaN that turns into a number"),
        (clipping, "infinity that turns into something else"),
        (Wavering(), "another result the second time"),
    ],
)
def test_a_device_that_calculates_wrongly_is_unfit(matrices, product, flaw):
    result = doctor._flaws(product, *matrices)
    assert flaw in result[1]
    assert doctor._judge("x", "GPU", result).status == UNFIT
    assert doctor._judge("x", "GPU", result).advice == "use --device cpu"


def test_a_device_that_calculates_rightly_is_fit(matrices, device):
    import torch

    error, flaws = doctor._flaws(doctor._product_on(torch, device), *matrices)
    assert flaws == []
    assert error < 1e-6


def test_a_device_that_rounds_whole_numbers_is_unfit(monkeypatch):
    from genomed.stats import packed_device

    monkeypatch.setattr(packed_device, "_is_exact", lambda way, device: False)
    packed_device._exact_way.cache_clear()
    found = asked(doctor._numerics)["whole numbers on cpu"]
    packed_device._exact_way.cache_clear()
    assert found.status == UNFIT
    assert found.value == "cpu multiplies whole numbers wrongly"


def test_a_missing_torch_is_unfit_and_not_a_crash(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    found = asked(doctor._numerics)
    assert found["torch"].status == UNFIT
    assert found["numpy numerics"].status == OK
