import gzip
import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from genomed.errors import InputError, OutputError, UnknownNameError, UsageError
from genomed.io.library import (
    CARD,
    PANEL_SOURCE,
    add_model,
    default_library,
    find_model,
    library_entries,
    panel_entries,
    panel_paths,
    read_named_models,
)
from genomed.io.model_pack import SUMS, is_pack, read_pack, write_pack
from genomed.io.scorefile import read_models

TABLE = "#trait_reported=Height\n#genome_build=37\nchr_name\tchr_position\teffect_allele\tweight\n"
ROWS = "1\t5\tA\t0.5\n1\t6\tC\tx\n"


@pytest.fixture
def library(tmp_path) -> Path:
    return tmp_path / "library"


@pytest.fixture
def score(tmp_path) -> Path:
    path = tmp_path / "height.txt.gz"
    path.write_bytes(gzip.compress((TABLE + ROWS).encode(), mtime=0))
    return path


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


# ---------------------------------------------------------------- the library


def test_a_model_added_is_found_by_name_and_is_the_same_file(library, score):
    entry = add_model(library, score)
    assert (entry.name, entry.trait, entry.builds) == ("height", "Height", ("GRCh37",))
    assert (entry.n_variants, entry.n_refused) == (2, 1)
    assert entry.sha256 == hashlib.sha256(score.read_bytes()).hexdigest()
    found = find_model("height", library)
    assert found.read_bytes() == score.read_bytes()
    assert library_entries(library) == [entry]


def test_adding_leaves_nothing_beside_the_model(library, score):
    add_model(library, score)
    assert names(library) == ["height"]
    assert names(library / "height") == ["height.txt.gz", CARD]


def test_a_name_given_wins(library, score):
    assert add_model(library, score, name="tall").name == "tall"
    assert find_model("tall", library).parent.name == "tall"


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "x" * 101, "a.part", "é"])
def test_a_name_that_is_no_plain_word_is_refused(library, score, name):
    if not name:
        name = "\n"
    with pytest.raises(UsageError, match="cannot be the name of a model"):
        add_model(library, score, name=name)
    assert not library.exists()


def test_a_broken_file_is_not_added(library, tmp_path):
    broken = tmp_path / "broken.txt"
    broken.write_text("ID A1 WEIGHT\nrs1 A\n")
    with pytest.raises(InputError, match="line 2"):
        add_model(library, broken)
    assert not library.exists()


def test_the_same_bytes_may_be_added_again_but_not_others_under_one_name(library, score, tmp_path):
    first = add_model(library, score)
    assert add_model(library, score) == first
    other = tmp_path / "other.txt"
    other.write_text("ID A1 WEIGHT\nrs1 A 2\n")
    with pytest.raises(UsageError, match="another model called 'height'"):
        add_model(library, other, name="height")
    assert add_model(library, other, name="height", replace_it=True).n_variants == 1
    assert names(library) == ["height"]
    assert names(library / "height") == [CARD, "other.txt"]


def test_the_build_in_a_file_name_survives(library, tmp_path):
    path = tmp_path / "PGS000009_hmPOS_GRCh38.txt"
    path.write_text("chr_name\tchr_position\teffect_allele\teffect_weight\n1\t5\tA\t1\n")
    assert add_model(library, path).name == "PGS000009"
    assert list(read_models(find_model("PGS000009", library))[0].loci) == ["GRCh38"]


def test_a_file_dropped_into_the_library_is_found(library):
    library.mkdir()
    (library / "dropped.txt").write_text("ID A1 WEIGHT\nrs1 A 2\n")
    (library / ".hidden.txt").write_text("no")
    assert [(entry.name, entry.sha256) for entry in library_entries(library)] == [("dropped", "")]
    assert find_model("dropped", library) == library / "dropped.txt"


@pytest.mark.parametrize("card", ["", "{}", "[]", '{"path": 1}', "\x00"])
def test_a_damaged_card_is_an_entry_still(library, score, card):
    add_model(library, score)
    (library / "height" / CARD).write_text(card)
    assert [entry.path.name for entry in library_entries(library)] == [CARD]


def test_a_card_cannot_point_out_of_its_directory(library, score):
    add_model(library, score)
    card = library / "height" / CARD
    card.write_text(card.read_text().replace("height.txt.gz", "../../height.txt.gz"))
    assert library_entries(library)[0].path == library / "height" / "height.txt.gz"


def test_a_library_that_cannot_be_written_is_an_output_error(score, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(OutputError, match="--library"):
        add_model(file / "library", score)


def test_the_place_of_the_library_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("GENOMED_LIBRARY", str(tmp_path / "mine"))
    assert default_library() == tmp_path / "mine"
    monkeypatch.delenv("GENOMED_LIBRARY")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("sys.platform", "linux")
    assert default_library() == tmp_path / "data" / "genomed" / "models"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_library() == tmp_path / ".local" / "share" / "genomed" / "models"
    monkeypatch.setattr("sys.platform", "darwin")
    assert "Application Support" in default_library().parts


# ---------------------------------------------------------------- names


def test_a_path_wins_over_the_library_and_the_library_over_the_panel(library, score, monkeypatch):
    name = panel_paths()[0].stem
    assert find_model(name, library) == panel_paths()[0]
    mine = add_model(library, score, name=name)
    assert find_model(name, library) == mine.path
    monkeypatch.chdir(score.parent)
    Path(name).write_text("a file of this name")
    assert find_model(name, library) == Path(name)


def test_an_unknown_name_is_answered_with_those_that_come_close(library, score):
    add_model(library, score)
    with pytest.raises(UnknownNameError, match="did you mean height"):
        find_model("heigth", library)
    with pytest.raises(UnknownNameError, match="did you mean height"):
        find_model("HEIGHT", library)
    with pytest.raises(UnknownNameError, match="genomed models list"):
        find_model("zzz", library)
    with pytest.raises(UnknownNameError):
        find_model(str(library), library)


def test_every_model_of_the_panel_can_be_read_and_says_where_it_is_from(library):
    assert len(panel_entries()) == len(panel_paths()) > 0
    for entry in panel_entries():
        assert [model.source for model in read_named_models(entry.name, library)] == [PANEL_SOURCE]


# ---------------------------------------------------------------- packs


@pytest.fixture(params=["models.tar", "models.zip"])
def pack(request, library, score, tmp_path) -> Path:
    add_model(library, score)
    other = tmp_path / "other.txt"
    other.write_text("ID A1 WEIGHT\nrs1 A 2\n")
    add_model(library, other)
    path = tmp_path / request.param
    write_pack(library_entries(library), path)
    return path


def test_a_pack_unpacked_is_the_same_library(pack, library, tmp_path):
    assert is_pack(pack)
    there = tmp_path / "there"
    added = read_pack(pack, there)
    assert [entry.name for entry in added] == ["height", "other"]
    for path in library.rglob("*"):
        if path.is_file():
            assert (there / path.relative_to(library)).read_bytes() == path.read_bytes()


def test_the_same_models_give_the_same_bytes(pack, library, tmp_path):
    again = tmp_path / f"again{pack.suffix}"
    os.utime(library / "height" / "height.txt.gz", (1, 1))
    write_pack(list(reversed(library_entries(library))), again)
    assert again.read_bytes() == pack.read_bytes()


def test_a_scoring_file_is_no_pack(score, tmp_path):
    assert not is_pack(score)
    for content in (b"", b"ID A1 WEIGHT\nrs1 A 2\n", score.read_bytes()[:-9]):
        path = tmp_path / "plain"
        path.write_bytes(content)
        assert not is_pack(path)


def test_a_truncated_or_altered_pack_adds_nothing(pack, tmp_path):
    content = pack.read_bytes()
    there = tmp_path / "there"
    refused = 0
    filled = len(content.rstrip(b"\0"))  # a tar ends in kilobytes of zeros
    for cut in range(filled // 9, filled, filled // 9):
        pack.write_bytes(content[:cut])
        with pytest.raises(InputError):
            read_pack(pack, there)
        refused += 1
    for at in range(0, len(content), 97):
        changed = bytearray(content)
        changed[at] ^= 0x55
        pack.write_bytes(changed)
        try:
            read_pack(pack, there)
        except InputError:
            refused += 1
            assert not list(there.glob("*"))
        else:  # in padding, or in a field that says nothing about content
            assert names(there) == ["height", "other"]
            for path in sorted(there.rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()
    assert refused > 3


def made_tar(path: Path, members: list[tarfile.TarInfo], contents: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for member in members:
            content = contents.get(member.name, b"")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "bad",
    [
        member("../evil/model.json"),
        member("/tmp/evil"),
        member("a/../../evil"),
        member("evil"),
        member("a/b/c"),
        member("a/.hidden"),
        member("a/link", tarfile.SYMTYPE, "/etc/passwd"),
        member("a/hard", tarfile.LNKTYPE, "SHA256SUMS"),
        member("a", tarfile.DIRTYPE),
        member("a/fifo", tarfile.FIFOTYPE),
        member("a/device", tarfile.CHRTYPE),
        member("a/new\nline"),
    ],
    ids=lambda info: info.name.replace("\n", " "),
)
def test_what_has_no_business_in_a_pack_is_refused(tmp_path, bad):
    path = made_tar(tmp_path / "evil.tar", [bad], {})
    with pytest.raises(InputError, match="has no place in a pack"):
        read_pack(path, tmp_path / "there")
    assert names(tmp_path) == ["evil.tar"]


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../b", "a\\..\\b"])
def test_a_zip_cannot_reach_out_either(tmp_path, name):
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(InputError, match="has no place in a pack"):
        read_pack(path, tmp_path / "there")


def test_a_link_in_a_zip_is_refused(tmp_path):
    path = tmp_path / "evil.zip"
    link = zipfile.ZipInfo("a/link")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, b"/etc/passwd")
    with pytest.raises(InputError, match="has no place in a pack"):
        read_pack(path, tmp_path / "there")


def test_what_is_no_archive_is_no_pack(score, tmp_path):
    with pytest.raises(InputError, match="add a scoring file with"):
        read_pack(score, tmp_path / "there")


def test_a_member_twice_is_refused(tmp_path):
    path = made_tar(tmp_path / "twice.tar", [member("a/b"), member("a/b")], {"a/b": b"x"})
    with pytest.raises(InputError, match="stands in it twice"):
        read_pack(path, tmp_path / "there")


def test_an_archive_without_digests_is_no_pack(tmp_path):
    path = made_tar(tmp_path / "any.tar", [member("a/b")], {"a/b": b"x"})
    with pytest.raises(InputError, match=f"has no {SUMS}"):
        read_pack(path, tmp_path / "there")


def test_a_member_without_a_digest_is_refused(tmp_path):
    path = made_tar(tmp_path / "any.tar", [member(SUMS), member("a/b")], {"a/b": b"x"})
    with pytest.raises(InputError, match="not both in the pack and in"):
        read_pack(path, tmp_path / "there")


def test_a_taken_name_in_a_pack_adds_nothing_at_all(pack, tmp_path):
    there = tmp_path / "there"
    mine = tmp_path / "mine.txt"
    mine.write_text("ID A1 WEIGHT\nrs9 A 9\n")
    add_model(there, mine, name="other")
    with pytest.raises(UsageError, match="another model called 'other'"):
        read_pack(pack, there)
    assert names(there) == ["other"]
    assert len(read_pack(pack, there, replace_it=True)) == 2


def test_a_pack_that_cannot_be_written_leaves_nothing(library, score, tmp_path):
    add_model(library, score)
    with pytest.raises(OutputError, match="try another --out"):
        write_pack(library_entries(library), tmp_path / "absent" / "models.tar")
