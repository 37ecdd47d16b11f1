"""Pack all that a machine without a network needs into one tar: wheels, models, the workflow.

    python deploy/bundle.py [MODEL...] [--extras bgen,...] [--pip "ARGUMENTS"] [--out FOLDER]

Run it on a machine with a network and the same processor, C library and Python as the one that will
install it; `make bundle MODELS="..."` does. Models are names of the library, as `genomed models
list` shows them. The bundled panel and the callers are part of genomed's own wheel.

The tar holds `install.sh`, `wheels/`, `models/`, `workflow/` (Snakefile, rules, the example cohort)
and `SHA256SUMS` of every file, which `install.sh` checks first.
"""

import argparse
import hashlib
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
WORKFLOW = ("Snakefile", "workflows", "examples", "LICENSE")
EXTRAS = "bgen,explain,workflow"
EPOCH = 315_532_800  # 1 January 1980, the oldest day a zip can name


def main(arguments: list[str] | None = None) -> int:
    """Write ``genomed-VERSION-offline.tar`` and say what is in it."""
    asked = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="genomed-bundle-") as scratch:
        staged = Path(scratch) / "staged"
        (staged / "wheels").mkdir(parents=True)
        (staged / "models").mkdir()
        _make_wheels(staged / "wheels", asked.extras, shlex.split(asked.pip))
        if asked.models:
            _pack_models(staged / "models" / "models.tar", asked.models)
        _copy_workflow(staged / "workflow")
        version = _version(staged / "wheels")
        _write_facts(staged, version, asked.extras)
        bundle = asked.out / f"genomed-{version}-offline.tar"
        asked.out.mkdir(parents=True, exist_ok=True)
        write_tar(staged, bundle)
        n_wheels = len(list((staged / "wheels").iterdir()))
    size = bundle.stat().st_size / 1e6
    print(f"{bundle}: {size:.0f} MB, {n_wheels} wheels, {len(asked.models)} models of the library")
    return 0


def _parser() -> argparse.ArgumentParser:
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", help="names of models of the library")
    parser.add_argument("--extras", default=EXTRAS, help=f"extras of genomed; {EXTRAS} by default")
    parser.add_argument("--pip", default="", help="arguments for pip, in one word")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "dist", help="where the tar goes")
    return parser


def _make_wheels(into: Path, extras: str, more: list[str]) -> None:
    """genomed, pip, and what they need; what comes as source only is built."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    wanted = ["pip", f"{REPOSITORY}[{extras}]"]
    subprocess.run([*pip, *more, "--wheel-dir", into, *wanted], check=True)


def _pack_models(into: Path, names: list[str]) -> None:
    genomed = [sys.executable, "-m", "genomed", "models", "pack"]
    subprocess.run([*genomed, *names, "--out", into], check=True, cwd=REPOSITORY)


def _copy_workflow(into: Path) -> None:
    into.mkdir()
    hidden = shutil.ignore_patterns("__pycache__", ".snakemake")
    for name in WORKFLOW:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, into / name, ignore=hidden)
        else:
            shutil.copy(source, into / name)


def _version(wheels: Path) -> str:
    (own,) = wheels.glob("genomed-*.whl")
    return own.name.split("-")[1]


def _write_facts(staged: Path, version: str, extras: str) -> None:
    """What install.sh asks, each fact a file of one line; digests last."""
    shutil.copy(REPOSITORY / "deploy" / "install.sh", staged / "install.sh")
    names = [path.name for path in (staged / "wheels").iterdir()]
    facts = {
        "version": version,
        "extras": extras,
        "python-version": f"{sys.version_info.major}.{sys.version_info.minor}",
        "platform": platform(sysconfig.get_platform(), names),
    }
    for name, fact in facts.items():
        (staged / name).write_text(f"{fact}\n")
    write_digests(staged)


def platform(machine: str, wheels: list[str]) -> str:
    """The machine on which wheels of these names install.

    A name tells the oldest GNU C library that will do: ``manylinux_2_28``; of several in one name,
    which all hold, the oldest (PEP 600).
    """
    needed = [min(_glibc(name)) for name in wheels if _glibc(name)]
    newest = max(needed, default=None)
    return machine if newest is None else f"{machine} with glibc {newest[0]}.{newest[1]} or newer"


def _glibc(wheel: str) -> list[tuple[int, int]]:
    return [(int(major), int(minor)) for major, minor in re.findall(r"linux_(\d+)_(\d+)_", wheel)]


def write_digests(folder: Path) -> None:
    """SHA256SUMS of every other file below a folder, as sha256sum writes it."""
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "SHA256SUMS":
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    (folder / "SHA256SUMS").write_text("".join(lines))


def write_tar(folder: Path, out: Path) -> None:
    """The folder as a tar whose bytes depend on its files only; it appears whole or not at all."""
    partial = out.with_name(f".{out.name}.partial")
    try:
        with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted(folder.rglob("*")):
                name = f"{out.name.removesuffix('.tar')}/{path.relative_to(folder).as_posix()}"
                tar.add(path, name, recursive=False, filter=_anonymous)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.mtime = EPOCH
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() or entry.name.endswith(".sh") else 0o644
    return entry


if __name__ == "__main__":
    sys.exit(main())
