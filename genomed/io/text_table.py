"""Read a delimited text table whole, however it is compressed, and say where it is broken.

What every table of ours has in common: an optional block of ``#key=value`` lines, one line of
column names (which may itself start with ``#``, as PLINK 2 writes it), then rows of equal length.
Compression is told by the first bytes, never by the file's name. Nothing is forgiven silently: a
truncated stream, a row with a field too many or too few, bytes that are not text are all errors
that name the line.
"""

import csv
import re
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
from zlib_ng import gzip_ng

from genomed.errors import InputError
from genomed.io.bgzf import EOF_BLOCK, ZLIB_ERROR

__all__ = ["MISSING_TEXT", "TextTable", "read_plain_bytes", "read_text_table"]

MISSING_TEXT = ["", ".", "NA", "N/A", "NaN", "nan", "null", "None"]  # fields read as unknown

_OTHER_ARCHIVES = {b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}
_KEY_VALUE = re.compile(r"#+\s*([A-Za-z][\w .()/-]*?)\s*=\s*(.*)")


@dataclass(frozen=True)
class TextTable:
    """A table as it stands in its file; every field is text, null where MISSING_TEXT.

    path        : file it was read from
    header      : the ``#key=value`` lines above the column names; keys as spelt in the file
    header_line : 1-based line of the column names
    frame       : polars frame, all Utf8; columns as spelt, less a leading ``#``
    source_line : int64 (rows,), 1-based line of each row in the decompressed file
    """

    path: Path
    header: dict[str, str]
    header_line: int
    frame: pl.DataFrame
    source_line: np.ndarray


def read_text_table(
    path: Path,
    known_columns: frozenset[str] = frozenset(),
    column_names: list[str] | None = None,
) -> TextTable:
    """Read a tab, comma or blank separated table; raise InputError where it is not one.

    known_columns : lower-case column names; a line that starts with ``#`` is the line of column
                    names, not a comment, when its first word is one of these
    column_names  : of a file that has no line of them
    """
    body = _one_kind_of_line_end(_checked_text(path, read_plain_bytes(path)))
    header, header_line, names_text, start = _read_header(path, body, known_columns)
    if column_names is not None:  # what was taken for column names is the first row
        header_line, start = header_line - 1, body.rfind(b"\n", 0, start - 1) + 1
    stop = len(body)
    while body.endswith(b"\n", start, stop):
        stop -= 1
    rows = body[start:stop]
    if not rows or rows.isspace():
        raise InputError(f"{path}: there are no rows below the header; is the file complete?")
    separator = _separator(names_text)
    if separator == b" ":
        names_text, rows = " ".join(names_text.split()), _single_blanks(rows)
    names = column_names or names_text.split(separator.decode())
    names = _column_names(path, header_line, names)
    source_line = header_line + 1 + np.arange(rows.count(b"\n") + 1, dtype=np.int64)
    if b"\n\n" in rows or rows.startswith(b"\n"):
        rows, source_line = _without_empty_lines(rows, source_line)
    frame = _parse(path, rows, separator, names, source_line)
    return TextTable(path, header, header_line, frame, source_line)


def read_plain_bytes(path: Path) -> bytes:
    """The decompressed content of a gzip, BGZF, zstd or plain file; InputError where damaged."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a directory; name a file in it") from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from None
    for magic, kind in _OTHER_ARCHIVES.items():
        if raw.startswith(magic):
            if kind == "zip" and not zipfile.is_zipfile(BytesIO(raw)):
                raise InputError(f"{path}: is a zip archive without its end; copy it again")
            raise InputError(f"{path}: is a {kind} archive; unpack it, or compress with gzip")
    if raw[:2] == b"\x1f\x8b":
        return _gunzip(path, raw)
    if raw[:4] == b"\x28\xb5\x2f\xfd":
        return _unzstd(path, raw)
    return raw


def _gunzip(path: Path, raw: bytes) -> bytes:
    is_bgzf = raw[12:14] == b"BC" and raw[3] & 4
    try:
        plain = gzip_ng.decompress(raw)
    except (EOFError, OSError, ZLIB_ERROR) as error:
        raise InputError(
            f"{path}: the gzip stream is truncated or damaged ({error}); fetch or copy it again"
        ) from None
    if is_bgzf and not raw.endswith(EOF_BLOCK):
        raise InputError(f"{path}: truncated, the BGZF end block is missing; copy the file again")
    return plain


def _unzstd(path: Path, raw: bytes) -> bytes:
    import zstandard  # noqa: PLC0415 - only zstd files should wait for it

    parts, rest = [], raw
    while rest:
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            parts.append(frame.decompress(rest))
        except zstandard.ZstdError as error:
            raise InputError(
                f"{path}: the zstd stream is damaged ({error}); copy it again"
            ) from None
        if not frame.eof:
            raise InputError(f"{path}: the zstd stream is truncated; copy the file again")
        rest = frame.unused_data
    return b"".join(parts)


def _checked_text(path: Path, content: bytes) -> bytes:
    """The content without a byte order mark; InputError when it is empty, or not UTF-8 text."""
    if not content or content.isspace():
        raise InputError(f"{path}: the file is empty; was it written to the end?")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(f"{path}: is UTF-16 text; save it as UTF-8")
    nul = content.find(b"\0")
    if nul >= 0:
        line = content.count(b"\n", 0, nul) + 1
        raise InputError(f"{path}, line {line}: holds binary data; give a text table instead")
    try:
        if not content.isascii():  # which is the quick way to be sure
            content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8; "
            "convert the file with `iconv -t UTF-8`, or check that it is text"
        ) from None
    return content.removeprefix(b"\xef\xbb\xbf")


def _one_kind_of_line_end(content: bytes) -> bytes:
    if b"\r" not in content:
        return content
    content = content.replace(b"\r\n", b"\n")
    return content if b"\n" in content else content.replace(b"\r", b"\n")


def _read_header(
    path: Path, body: bytes, known_columns: frozenset[str]
) -> tuple[dict[str, str], int, str, int]:
    """Key-value block, line number of the column names, their text, and where the rows start."""
    header: dict[str, str] = {}
    start, number = 0, 0
    while start < len(body):
        stop = body.find(b"\n", start)
        stop = len(body) if stop < 0 else stop
        line, start, number = body[start:stop].decode(), stop + 1, number + 1
        if line.startswith("##fileformat=VCF"):
            raise InputError(f"{path}: is a VCF; give it as the cohort, and here a table")
        first = re.split(r"[\t ,]", line.lstrip("#").strip(), maxsplit=1)[0].lower()
        pair = _KEY_VALUE.fullmatch(line.strip())
        if line.startswith("#") and (pair or first not in known_columns):
            if pair:
                header[pair[1]] = pair[2].strip()
        elif line.strip():
            return header, number, line.removeprefix("#"), start
    raise InputError(f"{path}: only a header, no line of column names and no rows; is it complete?")


def _separator(names_text: str) -> bytes:
    if "\t" in names_text:
        return b"\t"
    return b"," if "," in names_text else b" "


def _single_blanks(rows: bytes) -> bytes:
    """Runs of blanks and tabs become one blank, those at the ends of lines nothing."""
    text = np.frombuffer(rows, np.uint8)
    text = np.where(text == 9, np.uint8(32), text)
    before = np.concatenate(([10], text[:-1]))  # the byte to the left; a line end before the first
    text = text[(text != 32) | ((before != 32) & (before != 10))]
    after = np.concatenate((text[1:], [10]))
    return text[(text != 32) | (after != 10)].tobytes()


def _column_names(path: Path, line: int, names: list[str]) -> list[str]:
    names = [name.strip().strip('"') or f"column_{i + 1}" for i, name in enumerate(names)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"{path}, line {line}: the column name {twice[0]!r} stands there twice; rename one"
        )
    return names


def _without_empty_lines(rows: bytes, source_line: np.ndarray) -> tuple[bytes, np.ndarray]:
    text = np.frombuffer(rows, np.uint8)
    ends = np.flatnonzero(text == 10)
    starts = np.concatenate(([0], ends + 1))
    filled = np.concatenate((ends, [len(text)])) > starts
    empty = ends[~filled[:-1]]
    return np.delete(text, empty).tobytes(), source_line[filled]


def _parse(
    path: Path, rows: bytes, separator: bytes, names: list[str], source_line: np.ndarray
) -> pl.DataFrame:
    """Split rows into fields; raise for the first that has a field too many or too few.

    Only the total of separators is counted at first, which takes next to no time; where a short
    row and a long one make up for each other, polars refuses the long one.
    """
    if b'"' in rows:
        if separator == b",":
            return _parse_quoted(path, rows, names, source_line)
        rows = rows.replace(b'"', b"")
    if rows.count(separator) != len(source_line) * (len(names) - 1):
        raise _ragged(path, rows, separator, len(names), source_line)
    try:
        frame = pl.read_csv(
            BytesIO(rows),
            separator=separator.decode(),
            has_header=False,
            new_columns=names,
            infer_schema=False,
            quote_char=None,
            null_values=MISSING_TEXT,
        )
    except pl.exceptions.PolarsError:
        raise _ragged(path, rows, separator, len(names), source_line) from None
    if separator != b" " and _has_padding(rows, separator):
        frame = frame.with_columns(pl.all().str.strip_chars().replace(MISSING_TEXT, None))
    return frame


def _has_padding(rows: bytes, separator: bytes) -> bool:
    """Whether a blank stands at the edge of any field."""
    edges = (separator + b" ", b" " + separator, b"\n ", b" \n")
    at_end = rows[:1] == b" " or rows[-1:] == b" "
    return b" " in rows and (at_end or any(edge in rows for edge in edges))


def _parse_quoted(
    path: Path, rows: bytes, names: list[str], source_line: np.ndarray
) -> pl.DataFrame:
    """Comma separated rows in which some fields stand in quotes, as R's write.csv makes them."""
    fields = list(csv.reader(rows.decode().split("\n")))
    for row, line in zip(fields, source_line, strict=False):
        if len(row) != len(names):
            raise _wrong_length(path, int(line), len(row), len(names))
    if len(fields) != len(source_line):
        raise InputError(f"{path}: a quoted field runs over a line end; remove the quotes")
    frame = pl.DataFrame(fields, schema=dict.fromkeys(names, pl.Utf8), orient="row")
    return frame.with_columns(pl.all().str.strip_chars().replace(MISSING_TEXT, None))


def _ragged(
    path: Path, rows: bytes, separator: bytes, n_columns: int, source_line: np.ndarray
) -> InputError:
    text = np.frombuffer(rows, np.uint8)
    row_of_separator = np.cumsum(text == 10)[text == separator[0]]
    n_fields = np.bincount(row_of_separator, minlength=len(source_line)) + 1
    wrong = np.flatnonzero(n_fields != n_columns)
    if not wrong.size:
        return InputError(f"{path}: is not a table that can be parsed; check it is plain text")
    return _wrong_length(path, int(source_line[wrong[0]]), int(n_fields[wrong[0]]), n_columns)


def _wrong_length(path: Path, line: int, n_fields: int, n_columns: int) -> InputError:
    return InputError(
        f"{path}, line {line}: {n_fields} fields where the header names {n_columns} columns; "
        "the file may be cut short, or separated by something else"
    )
