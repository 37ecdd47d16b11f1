"""`genomed models` as it is typed: what is printed where, and the exit code."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from genomed.cli import main


class Done(NamedTuple):
    """What a call left behind."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def genomed(monkeypatch, capsys) -> Iterator[Callable[..., Done]]:
    """Run the real main in this process, which spares the start-up of a new one."""
    handler = signal.getsignal(signal.SIGTERM)

    def run(library: Path, *arguments: str) -> Done:
        command = ["genomed", "models", *arguments, "--library", str(library)]
        monkeypatch.setattr("sys.argv", command)
        with pytest.raises(SystemExit) as left:
            main()
        return Done(int(left.value.code or 0), *capsys.readouterr())

    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def score(tmp_path) -> Path:
    path = tmp_path / "height.txt"
    path.write_text("#trait_reported=Height [cm]\nrsID\teffect_allele\tweight\nrs1\tA\t0.5\n")
    return path


def test_a_model_goes_in_is_listed_shown_packed_and_found_altered(genomed, tmp_path, score):
    library = tmp_path / "library"
    added = genomed(library, "add", str(score))
    assert (added.returncode, added.stdout) == (0, "height: 1 variants (Height [cm])\n")

    lines = genomed(library, "list").stdout.splitlines()
    assert lines[0].split("\t")[:4] == ["name", "kind", "trait", "builds"]
    assert lines[-1].split("\t")[:6] == ["height", "scores", "Height [cm]", "", "1", "0"]
    listed = json.loads(genomed(library, "list", "--json").stdout)
    assert [row["name"] for row in listed] == [line.split("\t")[0] for line in lines[1:]]

    shown = json.loads(genomed(library, "show", "height", "--json").stdout)
    assert [(s["trait"], s["n_usable"]) for s in shown] == [("Height [cm]", 1)]
    assert "header: trait_reported\tHeight [cm]\n" in genomed(library, "show", "height").stdout

    pack = tmp_path / "pack.tar"
    packed = genomed(library, "pack", "height", "--out", str(pack))
    assert (packed.returncode, packed.stdout.split(";")[0]) == (0, f"{pack}: 1 models")
    there = tmp_path / "there"
    assert genomed(there, "unpack", str(pack)).stdout == "height: 1 variants (Height [cm])\n"

    assert genomed(library, "verify", "height").returncode == 0
    (library / "height" / "height.txt").write_text(score.read_text().replace("0.5", "0.6"))
    verified = genomed(library, "verify")
    assert verified.returncode == 3
    assert "height\tchanged\t" in verified.stdout
    assert verified.stderr.startswith("error: 1 of ")
    assert verified.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("add", "absent.txt"), 3, "error: absent.txt: no such file"),
        (("show", "PGS00001"), 6, "did you mean PGS000001"),
        (("verify", "absent"), 6, "error: no model called 'absent'"),
        (("fetch", "height"), 2, "is not a PGS Catalog accession"),
        (("fetch", "PGS000001", "--base-url", "http://example.org"), 2, "HTTPS only"),
        (("fetch", "PGS000001", "--build", "hg19"), 2, "choose GRCh37 or GRCh38"),
        (("unpack", "absent.tar"), 3, "error: absent.tar: no such file"),
    ],
)
def test_a_mistake_is_one_sentence_and_an_exit_code(genomed, tmp_path, arguments, code, message):
    done = genomed(tmp_path / "library", *arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "library").exists() or not list((tmp_path / "library").iterdir())
