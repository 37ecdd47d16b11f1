"""What is carried to other machines: images, conda environments, and the bundle without network."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml
from datafiles import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
VARIANTS = ("cpu", "cuda")


# ---------------------------------------------------------------- images


def instructions() -> dict[str, list[str]]:
    """Stage of the Dockerfile -> its instructions, each on one line; "" is before the first."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    stages: dict[str, list[str]] = {"": []}
    name = ""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.startswith("FROM "):
            name = line.rpartition(" AS ")[2]
            stages[name] = []
        if line.strip():
            stages[name].append(line)
    return stages


STAGES = instructions()


def copied() -> set[str]:
    """Paths that go from the repository into the image."""
    lines = [line.split()[1:] for line in STAGES["wheel"] if line.startswith("COPY ")]
    return {path for words in lines for path in words[:-1]}


def test_both_images_are_one_but_for_torch() -> None:
    cpu, cuda = ([*STAGES[name]] for name in VARIANTS)
    assert cpu.pop(0) == "FROM runtime AS cpu"
    assert cuda.pop(0) == "FROM runtime AS cuda"
    differing = [line for line in cuda if line not in cpu]
    assert [line.split()[0] for line in differing] == ["ENV", "RUN"]
    assert differing[0].startswith("ENV NVIDIA_VISIBLE_DEVICES=all")
    (own,) = [line for line in cpu if line not in cuda]
    assert re.sub(r"https://\S+", "", own) == re.sub(r"https://\S+", "", differing[1])
    assert "/whl/cpu " in own
    assert [line for line in cpu if line in cuda] == [line for line in cuda if line in cpu]


@pytest.mark.parametrize("name", VARIANTS)
def test_images_ask_for_the_torch_and_the_extras_of_the_project(name: str) -> None:
    (torch,) = [text for text in PROJECT["dependencies"] if text.startswith("torch>")]
    text = "\n".join(STAGES[name])
    assert re.findall(r'"(torch[^"]*)"', text) == [torch]
    (extras,) = re.findall(r"\.whl\)\[([a-z,]+)\]", text)
    assert set(extras.split(",")) <= PROJECT["optional-dependencies"].keys()


def test_every_stage_has_a_python_that_the_project_supports() -> None:
    (version,) = [line.removeprefix("ARG PYTHON=") for line in STAGES[""]]
    classifiers = [text.rpartition(":: ")[2] for text in PROJECT["classifiers"]]
    assert version in classifiers
    bases = [lines[0].split()[1] for name, lines in STAGES.items() if name]
    assert set(bases) == {"python:${PYTHON}-slim-bookworm", "runtime"}


def test_the_wheel_of_the_image_is_built_from_all_that_the_wheel_needs() -> None:
    wheel = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", PROJECT["readme"], *PROJECT["license-files"], *wheel["packages"]}
    assert copied() == needed | wheel.get("force-include", {}).keys()
    assert all((REPOSITORY / path).exists() for path in copied())


def test_the_builder_is_sent_only_what_the_image_copies() -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == copied()


def test_images_keep_no_lists_of_packages_and_no_cache_of_pip() -> None:
    for name, lines in STAGES.items():
        for line in lines:
            if "apt-get install" in line:
                assert "--no-install-recommends" in line
                assert line.endswith("rm -rf /var/lib/apt/lists/*")
            if " -m pip " in line:
                assert name in VARIANTS or "--no-cache-dir" in line
    assert "PIP_NO_CACHE_DIR=1" in "\n".join(STAGES["runtime"])


# ---------------------------------------------------------------- conda


def test_rules_run_in_the_environment_that_users_get() -> None:
    user = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    rules = yaml.safe_load((REPOSITORY / "workflows/envs/genomed.yaml").read_text())
    assert rules["channels"] == user["channels"]
    assert [*rules["dependencies"], {"pip": ["."]}] == user["dependencies"]
    for path in (REPOSITORY / "workflows/rules").glob("*.smk"):
        named = re.findall(r'conda:\s+"([^"]+)"', path.read_text())
        assert {(path.parent / name).resolve() for name in named} <= {
            REPOSITORY / "workflows/envs/genomed.yaml"
        }


def post_deploy(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What Snakemake would run in a new environment, with a pip that says what it was asked."""
    programs = folder / "programs"
    programs.mkdir(parents=True)
    (programs / "python").write_text('#!/bin/sh\necho "python $*"\n')
    (programs / "python").chmod(0o755)
    return subprocess.run(
        ["sh", str(REPOSITORY / "workflows/envs/genomed.post-deploy.sh")],
        cwd=folder, env={"PATH": f"{programs}:{os.environ['PATH']}"} | environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_genomed_goes_into_the_environment_from_where_its_source_is(tmp_path: Path) -> None:
    clone, bundle = tmp_path / "clone", tmp_path / "bundle" / "workflow"
    clone.mkdir()
    shutil.copy(REPOSITORY / "pyproject.toml", clone)
    (tmp_path / "bundle" / "wheels").mkdir(parents=True)
    (tmp_path / "bundle" / "wheels" / "genomed-1-py3-none-any.whl").touch()
    ending = [
        post_deploy(clone).stdout.split()[-1],
        post_deploy(bundle).stdout.split()[-1],
        post_deploy(tmp_path / "given", GENOMED_SOURCE="genomed==1").stdout.split()[-1],
    ]
    assert ending == [".", "../wheels/genomed-1-py3-none-any.whl", "genomed==1"]
    nowhere = post_deploy(tmp_path / "nowhere")
    assert nowhere.returncode == 1
    assert "set GENOMED_SOURCE" in nowhere.stderr


# ---------------------------------------------------------------- the bundle


def load_bundle():  # type: ignore[no-untyped-def]
    spec = importlib.util.spec_from_file_location("genomed_bundle", DEPLOY / "bundle.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bundle = load_bundle()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An unpacked bundle without wheels."""
    folder = tmp_path / "unpacked"
    (folder / "wheels").mkdir(parents=True)
    shutil.copy(DEPLOY / "install.sh", folder)
    facts = {"python-version": "{}.{}".format(*sys.version_info), "version": "1", "extras": "bgen"}
    for name, fact in (facts | {"platform": "some machine"}).items():
        (folder / name).write_text(f"{fact}\n")
    bundle.write_digests(folder)
    return folder


def install(folder: Path, target: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(folder / "install.sh"), str(target)], capture_output=True, text=True,
        env=os.environ | {"PYTHON": sys.executable}, check=False,
    )  # fmt: skip


def refusal(folder: Path, target: Path) -> str:
    done = install(folder, target)
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr.splitlines()[-1]


def test_a_damaged_bundle_is_not_installed(folder: Path, tmp_path: Path) -> None:
    (folder / "version").write_text("2\n")
    assert refusal(folder, tmp_path / "t").startswith("error: the bundle is damaged or not whole")
    assert not (tmp_path / "t").exists()


def test_another_python_is_refused_by_its_version(folder: Path, tmp_path: Path) -> None:
    (folder / "python-version").write_text("3.2\n")
    bundle.write_digests(folder)
    said = refusal(folder, tmp_path / "t")
    assert said.endswith("and the bundle is for Python 3.2; set PYTHON to one")
    assert not (tmp_path / "t").exists()


def test_nothing_is_installed_over_what_is_there(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    assert "exists already" in refusal(folder, tmp_path / "t")
    assert list((tmp_path / "t").iterdir()) == []


def test_a_bundle_for_another_machine_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    said = refusal(folder, tmp_path / "t")
    assert said == "error: the packages could not be installed; the bundle is for some machine"
    assert not (tmp_path / "t").exists()


def test_the_same_files_become_the_same_tar(folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        bundle.write_tar(folder, tmp_path / name / "x.tar")
        os.utime(folder / "version", (10, 10))
    first, second = ((tmp_path / name / "x.tar").read_bytes() for name in ("a", "b"))
    assert first == second
    with tarfile.open(tmp_path / "a" / "x.tar") as tar:
        assert "x/install.sh" in tar.getnames()
        assert {entry.uname for entry in tar} == {""}
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x.tar"]


def test_the_machine_is_that_of_the_most_demanding_wheel() -> None:
    wheels = [
        "a-1-py3-none-any.whl",
        "b-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "c-1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    ]
    assert bundle.platform("linux-x86_64", wheels) == "linux-x86_64 with glibc 2.27 or newer"
    assert bundle.platform("macosx-11", wheels[:1]) == "macosx-11"


@pytest.mark.slow
def test_the_bundle_installs_and_scores_the_example_without_a_network(tmp_path: Path) -> None:
    alone = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("unshare cannot take the network away here")
    library = {"GENOMED_LIBRARY": str(tmp_path / "library")}
    panel = next((REPOSITORY / "genomed" / "panel").glob("*.txt"))
    genomed = [sys.executable, "-m", "genomed", "models"]
    subprocess.run([*genomed, "add", panel, "--name", "carried"], env=os.environ | library,
                   check=True, cwd=REPOSITORY)  # fmt: skip
    make = [sys.executable, DEPLOY / "bundle.py", "carried", "--out", tmp_path]
    subprocess.run(make, env=os.environ | library, check=True)
    (packed,) = tmp_path.glob("genomed-*-offline.tar")
    subprocess.run(["tar", "-xf", packed, "-C", tmp_path], check=True)
    script = f"""set -eu
        test "$(grep -c : /proc/net/dev)" = 1  # no interface but the machine's own
        sh {packed.with_suffix("")}/install.sh {tmp_path}/installed
        cd {packed.with_suffix("")}/workflow
        export PATH={tmp_path}/installed/bin:$PATH
        genomed models verify carried
        genomed risk examples/data/cohort.vcf.gz --model carried --out {tmp_path}/scored
        snakemake --cores 2 --configfile workflows/config/config.yaml --quiet --until convert
    """
    elsewhere = {"GENOMED_LIBRARY": str(tmp_path / "there"), "PYTHON": sys.executable}
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [*alone, "sh", "-c", script], env=clean | elsewhere, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "scored" / "risk.tsv").stat().st_size > 0
    assert (packed.with_suffix("") / "workflow/results/store/example.pgen").exists()
