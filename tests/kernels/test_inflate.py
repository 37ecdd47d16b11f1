"""Blocks inflated by libdeflate are those that zlib-ng inflates, and what it refuses is refused."""

import struct
import zlib

import numpy as np
import pytest
from zlib_ng import zlib_ng

from genomed.io import bgzf
from genomed.io.bgzf import EOF_BLOCK, TextStream
from genomed.io.libdeflate import find_libdeflate
from genomed.kernels.inflate import inflate_blocks

pytestmark = pytest.mark.skipif(find_libdeflate() is None, reason="no libdeflate is found here")

ROOM = 1 << 18
SUBFIELD = b"XY\x03\x00abc"  # one that is not BGZF's


def block(text: bytes, level: int = 6, before: bytes = b"", behind: bytes = b"") -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    data = packer.compress(text) + packer.flush()
    size = 12 + len(before) + 6 + len(behind) + len(data) + 8
    extra = before + b"BC" + struct.pack("<HH", 2, size - 1) + behind
    head = b"\x1f\x8b\x08\x04" + bytes(6) + struct.pack("<H", len(extra))
    return head + extra + data + struct.pack("<II", zlib.crc32(text), len(text))


def fast(blocks: bytes, room: int = ROOM) -> bytes | None:
    text = np.zeros(room, np.uint8)
    n = inflate_blocks(np.frombuffer(blocks, np.uint8), text)
    return None if n < 0 else text[:n].tobytes()


def slow(blocks: bytes) -> bytes | None:
    try:
        return bytes(zlib_ng._GzipReader(blocks).readall())
    except (EOFError, OSError, ValueError, zlib_ng.error):
        return None


@pytest.fixture(scope="module")
def texts() -> list[bytes]:
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 256, 60_000, np.uint8).tobytes()
    bases = bytes(rng.choice(list(b"ACGT"), 65_536).tolist())
    return [b"", b"A", bases, noise, bytes(65_536), b"chr1\t1\t.\n" * 6000]


@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_text_of_any_kind_and_level_comes_out_as_it_went_in(texts, level) -> None:
    for text in texts:
        data = block(text[:65_000], level)
        assert fast(data) == text[:65_000]
    whole = b"".join(block(text[:30_000], level) for text in texts) + EOF_BLOCK
    assert fast(whole) == b"".join(text[:30_000] for text in texts)


def test_a_further_subfield_behind_the_size_is_passed_over_and_one_before_it_left_to_zlib() -> None:
    assert fast(block(b"text", behind=SUBFIELD)) == b"text"
    assert fast(block(b"text", before=SUBFIELD)) is None
    assert slow(block(b"text", before=SUBFIELD)) == b"text"


def test_no_changed_byte_gives_a_text_that_zlib_would_not_give() -> None:
    data = block(b"first " * 40) + block(b"second", 0) + EOF_BLOCK
    n_refused = 0
    for at in range(len(data)):
        for change in (1, 0x80, 0xFF):
            changed = data[:at] + bytes([data[at] ^ change]) + data[at + 1 :]
            found = fast(changed)
            assert found is None or found == slow(changed), at
            n_refused += found is None
    assert n_refused > 2 * len(data)


def test_blocks_cut_anywhere_and_texts_without_room_are_left_to_zlib() -> None:
    data = block(b"0123456789" * 100)
    assert all(fast(data[:n]) is None for n in range(1, len(data)))
    assert fast(data, room=999) is None
    assert len(fast(data, room=1000) or b"") == 1000


def test_a_file_is_read_alike_with_and_without_libdeflate(texts, tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.gz"
    broken = bytearray(block(b"text"))
    broken[-6] ^= 1  # of the checksum
    for name, data in (
        ("whole", b"".join(block(text[:65_000]) for text in texts * 30) + EOF_BLOCK),
        ("damaged", bytes(block(b"text") + broken + EOF_BLOCK)),
    ):
        path.write_bytes(data)
        with monkeypatch.context() as patched:
            told = [_read(path)]
            assert bgzf._inflate_fast is not None
            patched.setattr(bgzf, "_inflate_fast", None)
            told.append(_read(path))
        assert told[0] == told[1], name
        assert (b"damaged" in told[0]) == (name == "damaged")


def _read(path) -> bytes:
    stream, text = TextStream(path), b""
    try:
        for chunk in stream.chunks():
            buffer, n = chunk.fill()
            text += bytes(memoryview(buffer)[:n])
            chunk.release(buffer)
    except Exception as error:
        return str(error).encode()
    finally:
        stream.close()
    return text
