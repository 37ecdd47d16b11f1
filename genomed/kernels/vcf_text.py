"""From the bytes of VCF lines to int8 ALT counts, in one pass over the text.

A line that nobody wants costs the reading of its first five columns and one search for its end;
a wanted line is decoded. GT-only lines of three-byte cells are compared four bytes at a time.

Text always ends with a newline at ``text[end - 1]``; the caller sees to it.
"""

import numpy as np

from genomed.kernels.native import inner, kernel, memchr, memcpy
from genomed.kernels.vcf_cells import decode_cells, decode_regular
from genomed.kernels.vcf_codes import (
    _DP,
    _DS,
    _GP,
    _GQ,
    _GT,
    _MIN_DP,
    _RGQ,
    BAD_CHARACTER,
    BAD_COLUMNS,
    BAD_END,
    BAD_POSITION,
    BLANK_END,
    BLANK_LINE,
    CARRIAGE_RETURN,
    COLON,
    COMMA,
    DONE,
    DOT,
    DS,
    EMPTY_ALLELE,
    ERROR,
    ERROR_AT,
    ERROR_CODE,
    ERROR_COLUMN,
    FIRST_POSITION,
    FULL,
    GP_VALUES,
    HEAD_NEEDED,
    HEAD_USED,
    LAST_CONTIG_AT,
    LAST_CONTIG_LENGTH,
    LAST_POSITION,
    LESS_THAN,
    LINE_FEED,
    N_CHANGES,
    N_CRLF,
    N_EMITTED,
    N_HALF_CALLS,
    N_LINES,
    N_LOW_CALLS,
    N_PASSED_OVER,
    N_REFUSED_PLOIDY,
    N_ROWS,
    N_SAME_POSITION,
    N_UNSORTED,
    NINE,
    NO_GENOTYPE,
    RESUME,
    ROWS_NEEDED,
    SEMICOLON,
    STATE_SIZE,
    TAB,
    TOO_MANY_CHANGES,
    ZERO,
)

__all__ = ["STATE_SIZE", "fill_id_table", "hash_ids", "scan_lines"]

FNV_OFFSET = np.uint64(14695981039346656037)
FNV_PRIME = np.uint64(1099511628211)


@inner
def _find(text, byte, at, end):
    """Offset of `byte` in text[at:end], or end."""
    base = np.uintp(text.ctypes.data)
    found = memchr(base + np.uintp(at), np.int32(byte), np.uintp(end - at))
    if found == 0:
        return end
    return np.int64(found - base)


@inner
def _hash_bytes(text, first, stop):
    """FNV-1a, 64 bits; never 0, which marks an empty slot."""
    h = FNV_OFFSET
    for i in range(first, stop):
        h = (h ^ np.uint64(text[i])) * FNV_PRIME
    return h if h != np.uint64(0) else np.uint64(1)


@kernel
def hash_ids(text, bounds, hashes):
    """Hash text[bounds[i]:bounds[i + 1]] into hashes[i], uint64."""
    for i in range(len(hashes)):
        hashes[i] = _hash_bytes(text, bounds[i], bounds[i + 1])


@kernel
def fill_id_table(hashes, table):
    """Put hashes into an open-addressing table, uint64, a power of two long and half empty."""
    mask = np.uint64(len(table) - 1)
    for i in range(len(hashes)):
        slot = hashes[i] & mask
        while table[slot] != np.uint64(0) and table[slot] != hashes[i]:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = hashes[i]


@inner
def _in_table(table, h):
    mask = np.uint64(len(table) - 1)
    slot = h & mask
    while table[slot] != np.uint64(0):
        if table[slot] == h:
            return True
        slot = (slot + np.uint64(1)) & mask
    return False


@inner
def _id_wanted(text, first, stop, table):
    """Is the ID, or one of its semicolon-separated parts, in the table?"""
    if _in_table(table, _hash_bytes(text, first, stop)):
        return True
    part = first
    for i in range(first, stop + 1):
        if i == stop or text[i] == SEMICOLON:
            if (part > first or i < stop) and _in_table(table, _hash_bytes(text, part, i)):
                return True
            part = i + 1
    return False


@inner
def _any_between(positions, low, high, first, last):
    """Does sorted positions[low:high] hold a value in first..last?"""
    stop = high
    while low < high:
        middle = (low + high) >> 1
        if positions[middle] < first:
            low = middle + 1
        else:
            high = middle
    return low < stop and positions[low] <= last


@inner
def _contig_slot(text, first, stop, contig_text, contig_bounds):
    """Index of the contig's spelling among the wanted ones, or -1."""
    length = stop - first
    for c in range(len(contig_bounds) - 1):
        start = contig_bounds[c]
        if contig_bounds[c + 1] - start == length:
            same = True
            for i in range(length):
                if contig_text[start + i] != text[first + i]:
                    same = False
                    break
            if same:
                return c
    return -1


@inner
def _info_end(text, first, stop):
    """Value of END= in INFO text[first:stop]; 0 when absent, -1 when not a number."""
    i = first
    while i < stop:
        if (
            stop - i > 4
            and text[i] == 69
            and text[i + 1] == 78
            and text[i + 2] == 68
            and text[i + 3] == 61
        ):
            value = 0
            i += 4
            while i < stop and text[i] != SEMICOLON:
                if text[i] < ZERO or text[i] > NINE or value > 1 << 40:
                    return -1
                value = value * 10 + (text[i] - ZERO)
                i += 1
            return value
        i = _find(text, SEMICOLON, i, stop) + 1
    return 0


@inner
def _field_of(text, first, stop, key):
    """Place of `key` (uint8) among the colon-separated keys text[first:stop]; -1 when absent."""
    field, i = 0, first
    while i < stop:
        j = i
        while j < stop and text[j] != COLON:
            j += 1
        if j - i == len(key):
            same = True
            for k in range(len(key)):
                if text[i + k] != key[k]:
                    same = False
            if same:
                return field
        i = j + 1
        field += 1
    return -1


@inner
def _regular_end(text, alt_stop, end, n_fixed, n_samples):
    """Where a line ends whose FORMAT is GT and whose calls have three characters each; or -1.

    The calls themselves are not looked at.
    """
    at = alt_stop
    for _ in range(5, n_fixed):
        at = _find(text, TAB, at + 1, end)
        if at == end:
            return -1
    stop = at + 4 * n_samples
    if stop >= end or text[stop] != LINE_FEED:
        return -1
    if text[at - 3] != TAB or text[at - 2] != _GT[0] or text[at - 1] != _GT[1]:
        return -1
    return stop if _find(text, LINE_FEED, alt_stop, at) == at else -1


@inner
def _fail(state, code, at, column):
    state[ERROR_CODE], state[ERROR_AT], state[ERROR_COLUMN] = code, at, column
    return ERROR


@kernel
def scan_lines(
    text, begin, end, n_fixed, n_samples, slots, keep_all, contig_text, contig_bounds,
    contig_first, contig_last, positions, id_table, region, dosage_kind, thresholds,
    call_thresholds, phase, n_head, pairs, codes, values, alt_count,
    call_dosage, row_line, row_at, row_alt, row_n_alts, row_end, row_flags, head, head_bounds,
    changes, refused_at, state,
):  # fmt: skip
    """Read the lines text[begin:end], decode the wanted ones, and count all.

    text          : uint8; text[end - 1] is a newline
    n_fixed       : columns before the samples: 8 without FORMAT, else 9
    slots         : int64 (n_samples,), output column of each sample, -1 to leave it out
    keep_all      : True wants every record (inside `region`); the next arguments are then unused
    contig_text, contig_bounds : spellings of the wanted contigs, joined uint8 and int64 bounds
    contig_first, contig_last  : int64, the range of `positions` that belongs to each spelling
    positions     : int64, sorted within each contig
    id_table      : uint64 open-addressing table of wanted IDs, or length 0
    region        : int64 (3,): index of its spelling + 1 (0 = no region), first and last position;
                    with a region, spellings beyond the first contig are its other spellings
    thresholds    : int64 (2,), least depth and quality of a reference block's calls
    call_thresholds : int64 (2,), the same of every call; 0 asks for nothing
    phase         : whether heterozygous phased calls are coded as such, see split_phase
    n_head        : columns that go into `head`: 5, to ALT; 7, to FILTER; or 8, to INFO
    pairs, codes  : uint16 (n_samples // 2 + 1,) and the same memory as int8, scratch
    values        : float64 scratch for dosages (VALUES,)
    alt_count     : int8 (rows, samples) out; 4 and 5 stand for haploid calls of 0 and 1 copies
    call_dosage   : float32 (rows, samples) out, or None
    row_*         : per output row: line (0-based within this call's counter), where the line
                    begins in `text`, ALT number (1-based, 0 without ALT), ALTs in the record, last
                    position covered, flags
    head, head_bounds : the first columns of each row's line, with a newline, concatenated
    refused_at    : int64 out, offsets of lines refused for ploidy, as many as it holds
    changes       : int64 out, offsets of lines whose contig differs from the line before
    state         : int64 (STATE_SIZE,), see the names above
    returns       : DONE, FULL (call again from state[RESUME]) or ERROR
    """
    line = begin
    rows = 0
    head_used = 0
    max_rows = len(alt_count)
    previous_at, previous_length, previous_position = 0, -1, -1
    slot_of_contig = -1
    all_samples = len(slots) == alt_count.shape[1]
    while line < end:
        if text[line] == LINE_FEED or (
            text[line] == CARRIAGE_RETURN and text[line + 1] == LINE_FEED
        ):
            for i in range(line, end):  # blank lines may only end the text
                if text[i] != LINE_FEED and text[i] != CARRIAGE_RETURN:
                    return _fail(state, BLANK_LINE, line, 0)
            state[BLANK_END] = 1
            break
        # CHROM
        p = line
        while text[p] > 32:
            p += 1
        if text[p] == LINE_FEED or p == line:
            return _fail(state, BAD_COLUMNS, line, -1)
        if text[p] != TAB:
            return _fail(state, BAD_CHARACTER, p, 0)
        contig_length = p - line
        same = contig_length == previous_length
        if same:
            for i in range(contig_length):
                if text[previous_at + i] != text[line + i]:
                    same = False
                    break
        if not same:
            if state[N_CHANGES] >= len(changes):
                return _fail(state, TOO_MANY_CHANGES, line, 0)
            changes[state[N_CHANGES]] = line
            state[N_CHANGES] += 1
            slot_of_contig = _contig_slot(text, line, p, contig_text, contig_bounds)
            previous_at, previous_length = line, contig_length
        # POS
        p += 1
        position = 0
        digits_at = p
        while ZERO <= text[p] <= NINE and p - digits_at < 12:
            position = position * 10 + (text[p] - ZERO)
            p += 1
        if text[p] != TAB or p == digits_at or position > 2147483647:
            return _fail(state, BAD_POSITION if text[p] != LINE_FEED else BAD_COLUMNS, line, -1)
        if state[FIRST_POSITION] < 0:
            state[FIRST_POSITION] = position
        # ID, REF, ALT
        id_at = p + 1
        p = id_at
        while text[p] >= 32:
            p += 1
        id_stop = p
        ref_at = p + 1 if text[p] == TAB else p
        p = ref_at
        if text[p] == DOT:
            p += 1
        else:
            while 65 <= (text[p] & 0xDF) <= 90:  # letters, small or capital
                p += 1
        ref_length = p - ref_at
        alt_at = p + 1 if text[p] == TAB else p
        p = alt_at
        n_alts = 1
        empty = text[p] == COMMA
        all_symbolic, symbolic, this_alt = True, False, p  # symbolic: <DEL>, breakends, or '.'
        while 32 < text[p] < 127:
            if text[p] == COMMA:
                n_alts += 1
                empty = empty or text[p + 1] == COMMA or text[p + 1] == TAB
                symbolic = symbolic or (p - this_alt == 1 and text[this_alt] == DOT)
                all_symbolic, symbolic, this_alt = all_symbolic and symbolic, False, p + 1
            elif text[p] in (60, 62, 91, 93):  # < > [ ]
                symbolic = True
            p += 1
        alt_stop = p
        symbolic = symbolic or (p - this_alt == 1 and text[this_alt] == DOT)
        all_symbolic = all_symbolic and symbolic
        if text[p] == LINE_FEED or (text[p] == CARRIAGE_RETURN and text[p + 1] == LINE_FEED):
            return _fail(state, BAD_COLUMNS, line, -1)
        if (
            text[p] != TAB
            or text[id_stop] != TAB
            or text[ref_at + ref_length] != TAB
            or text[ref_at - 1] != TAB
            or text[alt_at - 1] != TAB
        ):
            return _fail(state, BAD_CHARACTER, p, 0)
        if ref_length == 0 or alt_stop == alt_at or id_stop == id_at or empty:
            return _fail(state, EMPTY_ALLELE, line, 0)
        if alt_stop - alt_at == 1 and text[alt_at] == DOT:
            n_alts = 0
        last = position + ref_length - 1
        is_block = (
            n_alts == 1
            and text[alt_at] == LESS_THAN
            and (
                (
                    alt_stop - alt_at == 9 and text[alt_at + 1] == 78 and text[alt_at + 5] == 82
                )  # <NON_REF>
                or (alt_stop - alt_at == 3 and text[alt_at + 1] == 42)  # <*>
            )
        )
        if all_symbolic:  # a reference block (or a structural variant) reaches to INFO/END
            q = _find(text, TAB, alt_stop + 1, end)  # after QUAL
            q = _find(text, TAB, q + 1, end) if q < end else end  # after FILTER
            if q < end:
                info_stop = q + 1
                while text[info_stop] != TAB and text[info_stop] >= 32:
                    info_stop += 1
                reach = _info_end(text, q + 1, info_stop)
                if reach < 0:
                    return _fail(state, BAD_END, line, 0)
                is_block = is_block or (n_alts == 0 and reach > position)
                last = max(last, reach)
        # wanted?
        wanted = keep_all
        if region[0] > 0:
            inside = (
                slot_of_contig >= 0
                and slot_of_contig < region[0]
                and position <= region[2]
                and last >= region[1]
            )
        else:
            inside = True
        if not keep_all and inside:
            if slot_of_contig >= 0:
                wanted = _any_between(
                    positions,
                    contig_first[slot_of_contig],
                    contig_last[slot_of_contig],
                    position,
                    last,
                )
            if not wanted and len(id_table) > 0:
                wanted = _id_wanted(text, id_at, id_stop, id_table)
        wanted = wanted and inside
        regular = False  # calls of three characters and nothing else: decoded now
        line_end = -1
        if wanted and n_alts == 1 and n_samples > 0:
            line_end = _regular_end(text, alt_stop, end, n_fixed, n_samples)
        if line_end >= 0:
            regular = decode_regular(text, line_end - 4 * n_samples + 1, n_samples, phase, pairs)
        if not regular:
            line_end = _find(text, LINE_FEED, alt_stop, end)
        if wanted:
            needed = max(n_alts, 1)
            stop = line_end
            if text[stop - 1] == CARRIAGE_RETURN:
                stop -= 1
            head_stop = alt_stop
            for _ in range(5, n_head):
                if head_stop < stop:
                    head_stop = _find(text, TAB, head_stop + 1, stop)
            head_needed = head_stop - line + 1
            if rows + needed > max_rows or head_used + head_needed * needed > len(head):
                state[RESUME], state[N_ROWS], state[HEAD_USED] = line, rows, head_used
                state[ROWS_NEEDED], state[HEAD_NEEDED] = needed, head_needed * needed
                if not same:  # this line is met again
                    state[N_CHANGES] -= 1
                return FULL
            if stop < line_end:
                state[N_CRLF] += 1
            # QUAL FILTER INFO (FORMAT)
            q = alt_stop
            missing_columns = False
            format_at = stop
            for column in range(5, n_fixed):
                if q >= stop:
                    missing_columns = True
                    break
                q = _find(text, TAB, q + 1, stop)
                if column == 7:
                    format_at = q + 1
            if missing_columns:
                return _fail(state, BAD_COLUMNS, line, -1)
            flags = 0
            if n_samples == 0:
                if q < stop:
                    return _fail(state, BAD_COLUMNS, line, -2)
            else:
                if q >= stop:
                    return _fail(state, BAD_COLUMNS, line, -1)
                cells = q + 1
                gt_field = _field_of(text, format_at, q, _GT)
                dosage_field, depth_field, quality_field = -1, -1, -1
                call_depth_field, call_quality_field = -1, -1
                if call_dosage is not None:
                    dosage_field = _field_of(text, format_at, q, _DS if dosage_kind == DS else _GP)
                if is_block:
                    depth_field = _field_of(text, format_at, q, _MIN_DP)
                    if depth_field < 0:
                        depth_field = _field_of(text, format_at, q, _DP)
                    quality_field = _field_of(text, format_at, q, _GQ)
                    if quality_field < 0:
                        quality_field = _field_of(text, format_at, q, _RGQ)
                if call_thresholds[0] > 0:
                    call_depth_field = _field_of(text, format_at, q, _DP)
                if call_thresholds[1] > 0:
                    call_quality_field = _field_of(text, format_at, q, _GQ)
                if regular:
                    if all_samples:
                        memcpy(
                            np.uintp(alt_count[rows].ctypes.data),
                            np.uintp(pairs.ctypes.data),
                            np.uintp(n_samples),
                        )
                    else:
                        for s in range(n_samples):
                            if slots[s] >= 0:
                                alt_count[rows, slots[s]] = codes[s]
                    if call_dosage is not None:
                        for s in range(alt_count.shape[1]):
                            c = alt_count[rows, s]
                            call_dosage[rows, s] = np.float32(c & 3 if c >= 0 else np.nan)
                else:
                    if (n_alts + 1) * (n_alts + 2) // 2 > GP_VALUES:
                        dosage_field = -1  # more GP values than anybody writes
                    half_calls, low_calls = state[N_HALF_CALLS], state[N_LOW_CALLS]
                    flags = decode_cells(
                        text, cells, stop, n_samples, slots, n_alts, gt_field, dosage_field,
                        dosage_kind, depth_field, quality_field, thresholds, call_depth_field,
                        call_quality_field, call_thresholds, phase, rows, alt_count, call_dosage,
                        values, state,
                    )  # fmt: skip
                    if flags == -1:
                        state[RESUME] = line
                        return ERROR
                    if flags == -2:
                        state[N_HALF_CALLS], state[N_LOW_CALLS] = half_calls, low_calls
                    elif gt_field < 0:
                        flags |= NO_GENOTYPE
            if flags == -2:
                if state[N_REFUSED_PLOIDY] < len(refused_at):
                    refused_at[state[N_REFUSED_PLOIDY]] = line
                state[N_REFUSED_PLOIDY] += 1
            else:
                for j in range(needed):
                    row_line[rows] = state[N_LINES]
                    row_at[rows] = line
                    row_alt[rows] = j + 1 if n_alts > 0 else 0
                    row_n_alts[rows] = n_alts
                    row_end[rows] = last
                    row_flags[rows] = flags
                    head_bounds[rows] = head_used
                    for i in range(head_needed - 1):
                        head[head_used + i] = text[line + i]
                    head[head_used + head_needed - 1] = LINE_FEED
                    head_used += head_needed
                    rows += 1
                state[N_EMITTED] += 1
        else:
            state[N_PASSED_OVER] += 1
            if text[line_end - 1] == CARRIAGE_RETURN:
                state[N_CRLF] += 1
        if same and position < previous_position:
            state[N_UNSORTED] += 1
        if same and position == previous_position:
            state[N_SAME_POSITION] += 1
        previous_position = position
        state[N_LINES] += 1
        line = line_end + 1
    state[N_ROWS], state[HEAD_USED], state[RESUME] = rows, head_used, end
    state[LAST_POSITION] = previous_position
    state[LAST_CONTIG_AT], state[LAST_CONTIG_LENGTH] = previous_at, previous_length
    return DONE
