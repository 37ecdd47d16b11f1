"""Loops over the bytes of a variant table (.pvar, .bim): lines to fields, fields to text."""

import numpy as np

from genomed.kernels.native import inner, kernel, memchr

__all__ = ["INLINE", "NEWLINE", "N_FIELDS", "join_fields", "split_rows", "view_cells"]

CONTIG, POSITION, ID, REF, ALT = range(5)
N_FIELDS = 5

TAB, NEWLINE, SPACE, COMMA, DOT = (np.uint8(c) for c in b"\t\n ,.")
INLINE = 12  # bytes of a string that lies within its view
MINUS, ZERO, NINE = np.uint8(45), np.uint8(48), np.uint8(57)


@inner
def _digits(text, start, stop):
    """Read a whole number; (value, True), or (0, False) when it is not one below 2**31."""
    i = start
    negative = text[i] == MINUS
    if negative:
        i += 1
    if i == stop or stop - i > 10:
        return 0, False
    value = 0
    while i < stop:
        if text[i] < ZERO or text[i] > NINE:
            return 0, False
        value = value * 10 + (text[i] - ZERO)
        i += 1
    if value > 2147483647:
        return 0, False
    return (-value if negative else value), True


@inner
def _same(text, a_start, a_stop, b_start, b_stop):
    """Tell whether two stretches of one text are equal."""
    if a_stop - a_start != b_stop - b_start:
        return False
    i = 0
    while i < a_stop - a_start and text[a_start + i] == text[b_start + i]:
        i += 1
    return i == a_stop - a_start


@kernel
def split_rows(text, field_of_column, field_start, field_stop, position, new_contig, row_alts):
    """Find the five fields of every line; columns are separated by tabs or blanks.

    text            : uint8 (n,), whole lines, the last byte a line feed
    field_of_column : int8 (columns,), which of CONTIG POSITION ID REF ALT a column is, or -1;
                      columns beyond it are not looked at
    field_start     : int32 (rows, 5), filled: first byte of each field
    field_stop      : int32 (rows, 5), filled: one after the last byte
    position        : int64 (rows,), filled
    new_contig      : bool (rows,), filled: the contig differs from the row before (first: True)
    row_alts        : int32 (rows,), filled: ALTs, 1 plus the commas
    returns         : rows found, faulty row or -1, lines that end in CR LF; a row is faulty that
                      has too few columns or whose position is not a number. Blank lines are no rows
    """
    base = np.uintp(text.ctypes.data)
    n_columns = len(field_of_column)
    row = 0
    i = np.int64(0)
    n_crlf = 0
    while i < len(text):
        column = 0
        while column < n_columns:
            while text[i] <= SPACE and text[i] != NEWLINE:
                i += 1
            if text[i] == NEWLINE:
                break
            start = i
            while text[i] > SPACE:
                i += 1
            field = field_of_column[column]
            if field >= 0:
                field_start[row, field] = start
                field_stop[row, field] = i
            column += 1
        i = np.int64(memchr(base + np.uintp(i), np.int32(10), np.uintp(len(text) - i)) - base)
        if i > 0 and text[i - 1] == 13:
            n_crlf += 1
        i += 1
        if column == 0:
            continue
        if column < n_columns:
            return row, row, n_crlf
        value, good = _digits(text, field_start[row, POSITION], field_stop[row, POSITION])
        if not good:
            return row, row, n_crlf
        position[row] = value
        n_alts = 1
        for j in range(field_start[row, ALT], field_stop[row, ALT]):
            n_alts += text[j] == COMMA
        row_alts[row] = n_alts
        new_contig[row] = row == 0 or not _same(
            text,
            field_start[row - 1, CONTIG],
            field_stop[row - 1, CONTIG],
            field_start[row, CONTIG],
            field_stop[row, CONTIG],
        )
        row += 1
    return row, -1, n_crlf


@inner
def _copy_allele(text, start, stop, out, n):
    """Copy one allele behind out[n], upper case unless symbolic or a breakend; the new n."""
    symbolic = False
    for i in range(start, stop):
        c = text[i]
        symbolic |= c == 60 or c == 62 or c == 91 or c == 93  # < > [ ]
    for i in range(start, stop):
        c = text[i]
        out[n] = c & 223 if not symbolic and c >= 97 and c <= 122 else c
        n += 1
    return n


@kernel
def join_fields(text, field_start, field_stop, rows, out):
    """Write ``ID <tab> REF <tab> ALT <line feed>`` of the chosen rows, bases in upper case.

    text, field_start, field_stop : as split_rows leaves them
    rows    : int64 (chosen,)
    out     : uint8, as long as all those fields and three bytes a row
    returns : bytes written
    """
    n = 0
    for row in rows:
        for i in range(field_start[row, ID], field_stop[row, ID]):
            out[n] = text[i]
            n += 1
        out[n] = 9
        n = _copy_allele(text, field_start[row, REF], field_stop[row, REF], out, n + 1)
        out[n] = 9
        n += 1
        start = field_start[row, ALT]
        while start <= field_stop[row, ALT]:
            stop = start
            while stop < field_stop[row, ALT] and text[stop] != COMMA:
                stop += 1
            n = _copy_allele(text, start, stop, out, n)
            out[n] = COMMA if stop < field_stop[row, ALT] else NEWLINE
            n += 1
            start = stop + 1
    return n


@inner
def _view(text, start, stop, view):
    """Fill an Arrow view of one string: its length, then itself, or its first four bytes, the
    number of its text (0) and its place there."""
    length = stop - start
    view[0] = length
    n = length if length <= INLINE else 4
    word = np.uint32(0)
    for i in range(INLINE):
        if i < n:
            word |= np.uint32(text[start + i]) << np.uint32(8 * (i & 3))
        if i & 3 == 3:
            view[1 + (i >> 2)] = word
            word = np.uint32(0)
    if length > INLINE:
        view[3] = start


@kernel
def view_cells(text, views, valid, n_alts):
    """Find the three cells of every line that join_fields and its like have written.

    text    : uint8, below 2**31 bytes; lines of ``ID <tab> REF <tab> ALT <line feed>``
    views   : uint32 (3, rows, 4), filled: Arrow views of the cells, as little-endian machines have
              them
    valid   : bool (3, rows), filled: the cell is not empty, and an ID not "."
    n_alts  : int64 (rows,), filled: ALTs, 0 where it is "."
    returns : lines found, or -1 when there are more than rows, or one without exactly two tabs
    """
    rows = len(n_alts)
    row = 0
    cell = 0
    start = 0
    commas = 0
    for i in range(len(text)):
        c = text[i]
        if c != TAB and c != NEWLINE:
            commas += c == COMMA
            continue
        if row == rows or (c == NEWLINE) != (cell == 2):
            return -1
        _view(text, start, i, views[cell, row])
        alone = i - start == 1 and text[start] == DOT
        valid[cell, row] = i > start and not (cell == 0 and alone)
        if cell < 2:
            cell += 1
        else:
            n_alts[row] = 0 if alone else commas + 1
            cell = 0
            row += 1
        commas = 0
        start = i + 1
    return row if start == len(text) else -1
