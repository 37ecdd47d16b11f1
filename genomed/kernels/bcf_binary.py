"""Loops over inflated BCF2 records: where they lie, what their alleles are, what is called.

Layout: VCF 4.3 specification, section 6.3 (BCF records) and 6.3.3 (typed values). Every read stays
within its record: numba does not check bounds, and files may be damaged.
"""

import numpy as np

from genomed.kernels.native import inner, kernel
from genomed.kernels.vcf_codes import ALT_FIRST, ALT_SECOND

__all__ = [
    "BAD_ALLELE",
    "BAD_CONTIG",
    "BAD_DOSAGE",
    "BAD_SAMPLES",
    "BAD_STRUCTURE",
    "DS",
    "EMITTED",
    "GP",
    "HALF_CALLS",
    "HAPLOID",
    "HAPLOID_CALLS",
    "LOW_CALLS",
    "NO_DOSAGE",
    "N_PLACES",
    "N_TALLIES",
    "REFUSED",
    "decode_records",
    "join_alleles",
    "walk_records",
]

# Columns of `place`, int32: offsets into the buffer, and numbers.
ID_START, ID_STOP, ALLELES, N_ALTS, INDIVIDUAL, STOP, N_FORMATS, START = range(8)
N_PLACES = 8

# What is wrong with a record; 0 is nothing.
BAD_STRUCTURE, BAD_CONTIG, BAD_SAMPLES, BAD_ALLELE, BAD_DOSAGE = range(1, 6)

NO_DOSAGE, DS, GP = range(3)
EMITTED, REFUSED = range(2)  # fate of a decoded record
HALF_CALLS, HAPLOID_CALLS, LOW_CALLS = range(3)  # slots of `tally`
N_TALLIES = 3
HAPLOID = 4  # 4 and 5 stand for 0 and 1 copies in a haploid call, until the caller splits them

MISSING_CALL = -9
VOID, INT8, INT16, INT32, FLOAT, CHAR = 0, 1, 2, 3, 5, 7
FLOAT_END = np.uint32(0x7F800002)
SLACK = np.float32(0.01)  # rounding that GP and DS may show beyond 0 and 2


@inner
def _u32(buffer, at):
    return (
        np.int64(buffer[at])
        | (np.int64(buffer[at + 1]) << 8)
        | (np.int64(buffer[at + 2]) << 16)
        | (np.int64(buffer[at + 3]) << 24)
    )


@inner
def _i32(buffer, at):
    value = _u32(buffer, at)
    return value - (1 << 32) if value >= 1 << 31 else value


@inner
def _integer(buffer, at, width):
    """Signed little-endian integer of 1, 2 or 4 bytes."""
    if width == 1:
        value = np.int64(buffer[at])
        return value - 256 if value >= 128 else value
    if width == 2:
        value = np.int64(buffer[at]) | (np.int64(buffer[at + 1]) << 8)
        return value - 65536 if value >= 32768 else value
    return _i32(buffer, at)


@inner
def _width(kind):
    """Bytes of one value of a type, 0 for an unknown type."""
    if kind in (INT8, CHAR):
        return 1
    if kind == INT16:
        return 2
    if kind in (INT32, FLOAT):
        return 4
    return 0


@inner
def _typed(buffer, at, stop):
    """Read a type descriptor: (type, values, offset of the first); an offset of -1 is an error."""
    if at >= stop:
        return VOID, 0, -1
    kind = np.int64(buffer[at] & 15)
    length = np.int64(buffer[at] >> 4)
    at += 1
    if length == 15:
        if at >= stop or buffer[at] >> 4 != 1:
            return VOID, 0, -1
        width = _width(np.int64(buffer[at] & 15))
        if width == 0 or at + 1 + width > stop:
            return VOID, 0, -1
        length = _integer(buffer, at + 1, width)
        at += 1 + width
    if length < 0 or (kind == VOID and length > 0) or (kind != VOID and _width(kind) == 0):
        return VOID, 0, -1
    if at + length * _width(kind) > stop:
        return VOID, 0, -1
    return kind, length, at


@inner
def _key(buffer, at, stop):
    """Read a dictionary key: (number, offset behind it); the offset is -1 on error."""
    kind, length, data = _typed(buffer, at, stop)
    if data < 0 or length != 1 or kind > INT32:
        return 0, -1
    return _integer(buffer, data, _width(kind)), data + _width(kind)


@inner
def _block_end(buffer, at, stop, n_info, end_key):
    """INFO/END of a record whose FILTER begins at `at`: 0 without one, -1 on error."""
    kind, length, data = _typed(buffer, at, stop)
    if data < 0:
        return -1
    at = data + length * _width(kind)
    for _ in range(n_info):
        key, at = _key(buffer, at, stop)
        if at < 0:
            return -1
        kind, length, data = _typed(buffer, at, stop)
        if data < 0:
            return -1
        if key == end_key and length >= 1 and kind <= INT32:
            return max(0, _integer(buffer, data, _width(kind)))
        at = data + length * _width(kind)
    return 0


@kernel
def walk_records(buffer, end, n_contigs, n_samples, end_key, contig, position, end_position, place):
    """Find the whole records of buffer[:end] without looking at their genotypes.

    n_contigs, n_samples : of the header
    end_key              : number of INFO/END in the header's dictionary, -1 without one
    contig               : int32 (records,), filled
    position             : int64 (records,), filled, 1-based
    end_position         : int64 (records,), filled; INFO/END where every ALT is symbolic or absent
    place                : int32 (records, N_PLACES), filled
    returns              : records found, where the next begins, what is wrong with it (or 0)
    """
    row = 0
    at = np.int64(0)
    while row < len(position) and at + 8 <= end:
        l_shared, l_individual = _u32(buffer, at), _u32(buffer, at + 4)
        if l_shared < 24:
            return row, at, BAD_STRUCTURE
        individual = at + 8 + l_shared
        stop = individual + l_individual
        if stop > end:
            break
        contig[row] = _i32(buffer, at + 8)
        position[row] = _i32(buffer, at + 12) + 1
        n_info, n_alleles = _u32(buffer, at + 24) & 65535, _u32(buffer, at + 24) >> 16
        n_formats, n_called = _u32(buffer, at + 28) >> 24, _u32(buffer, at + 28) & 0xFFFFFF
        if contig[row] < 0 or contig[row] >= n_contigs:
            return row, at, BAD_CONTIG
        if n_formats > 0 and n_called != n_samples:
            return row, at, BAD_SAMPLES
        kind, length, data = _typed(buffer, at + 32, individual)
        if data < 0 or n_alleles < 1 or position[row] < 0:
            return row, at, BAD_STRUCTURE
        place[row, ID_START], place[row, ID_STOP] = data, data + length
        place[row, ALLELES] = data + length
        place[row, N_ALTS] = n_alleles - 1
        place[row, START], place[row, INDIVIDUAL], place[row, STOP] = at, individual, stop
        place[row, N_FORMATS] = n_formats if n_called > 0 else 0
        next_allele = data + length
        symbolic = True
        ref_length = 1
        for allele in range(n_alleles):
            kind, length, data = _typed(buffer, next_allele, individual)
            if data < 0 or kind != CHAR or length < 1:
                return row, at, BAD_STRUCTURE
            next_allele = data + length
            if allele == 0:
                ref_length = length
            else:
                marked = False
                for i in range(data, next_allele):
                    c = buffer[i]
                    marked |= c == 60 or c == 62 or c == 91 or c == 93  # < > [ ]
                symbolic &= marked
        end_position[row] = position[row] + ref_length - 1
        if symbolic and end_key >= 0 and _i32(buffer, at + 16) != ref_length:
            last = _block_end(buffer, next_allele, individual, n_info, end_key)
            if last < 0:
                return row, at, BAD_STRUCTURE
            if last >= position[row]:
                end_position[row] = last
        row += 1
        at = stop
    return row, at, 0


@inner
def _copy_allele(buffer, start, stop, out, n):
    """Copy one allele behind out[n], upper case unless symbolic or a breakend; the new n."""
    symbolic = False
    for i in range(start, stop):
        c = buffer[i]
        symbolic |= c == 60 or c == 62 or c == 91 or c == 93
    for i in range(start, stop):
        c = buffer[i]
        out[n] = c & 223 if not symbolic and c >= 97 and c <= 122 else c
        n += 1
    return n


@kernel
def join_alleles(buffer, place, rows, out):
    """Write ``ID <tab> REF <tab> ALT[,ALT..] <line feed>`` of walked records, bases in upper case.

    rows    : int64 (chosen,)
    out     : uint8, as long as all shared blocks from the ID on, and eight bytes a row
    returns : bytes written
    """
    n = 0
    for row in rows:
        if place[row, ID_START] == place[row, ID_STOP]:
            out[n] = 46  # .
            n += 1
        for i in range(place[row, ID_START], place[row, ID_STOP]):
            out[n] = buffer[i]
            n += 1
        at = place[row, ALLELES]
        for allele in range(place[row, N_ALTS] + 1):
            _, length, data = _typed(buffer, at, place[row, INDIVIDUAL])
            out[n] = 9 if allele < 2 else 44
            n = _copy_allele(buffer, data, data + length, out, n + 1)
            at = data + length
        if place[row, N_ALTS] == 0:
            out[n], out[n + 1] = 9, 46
            n += 2
        out[n] = 10
        n += 1
    return n


@inner
def _find_formats(buffer, place, n_samples, keys):
    """(type, values per sample, offset) of GT, dosage, depth and quality; an offset of 0 is absent.

    keys : int64 (4,), their numbers in the dictionary, -1 for one that is not asked for
    The last value is False when the FORMAT block is damaged.
    """
    at, stop = np.int64(place[INDIVIDUAL]), np.int64(place[STOP])
    gt = (np.int64(0), np.int64(0), np.int64(0))
    dosage, depth, quality = gt, gt, gt
    for _ in range(place[N_FORMATS]):
        key, at = _key(buffer, at, stop)
        if at < 0:
            return gt, dosage, depth, quality, False
        kind, length, data = _typed(buffer, at, stop)
        at = data + length * _width(kind) * n_samples
        if data < 0 or at > stop:
            return gt, dosage, depth, quality, False
        if key == keys[0] and kind <= INT32:
            gt = (kind, length, data)
        elif key == keys[1]:
            dosage = (kind, length, data)
        elif key == keys[2]:
            depth = (kind, length, data)
        elif key == keys[3]:
            quality = (kind, length, data)
    return gt, dosage, depth, quality, True


@inner
def _count_plain(buffer, at, alt, n_alts, out):
    """Count an ALT in whole diploid calls of one byte per allele, in vector instructions.

    returns : whether every call was plain; if not, `out` is to be filled again
    """
    odd = np.uint8(0)
    wanted, most, absent = np.uint8(alt + 1), np.uint8(n_alts + 1), np.uint8(0)
    cells = buffer[at : at + 2 * len(out)]
    for s in range(len(out)):
        x = np.uint8(cells[2 * s] >> np.uint8(1))
        y = np.uint8(cells[2 * s + 1] >> np.uint8(1))
        odd |= np.uint8(x > most) | np.uint8(y > most) | np.uint8((x == absent) != (y == absent))
        copies = np.int8(np.int8(x == wanted) + np.int8(y == wanted))
        out[s] = np.int8(MISSING_CALL) if x == absent else copies
    return odd == absent


@inner
def _add_phase(buffer, at, alt, out):
    """Code the heterozygous phased calls of a row that _count_plain has counted."""
    wanted = np.uint8(alt + 1)
    cells = buffer[at : at + 2 * len(out)]
    one = np.uint8(1)
    for s in range(len(out)):
        count = np.uint8(out[s])
        phased = np.uint8(np.uint8(count == one) & cells[2 * s + 1])  # its lowest bit says so
        is_first = np.uint8(np.uint8(cells[2 * s] >> one) == wanted)
        code = np.uint8(phased + np.uint8(phased & is_first))  # 1 for ALT_SECOND, 2 for ALT_FIRST
        out[s] = np.int8(count | np.uint8(code << np.uint8(4)))


@inner
def _allele_at(buffer, at, width):
    """One entry of a GT vector: allele number, -1 missing, -2 end of a shorter call."""
    value = _integer(buffer, at, width)
    if value == 1 - (1 << (8 * width - 1)):
        return -2
    return -1 if value < 2 else (value >> 1) - 1


@inner
def _count_any(buffer, at, width, length, kept, alt, n_alts, phase, out, tally):
    """Count an ALT in calls of any form; False when an allele is not there.

    phase : whether heterozygous phased calls are coded as such
    tally[HALF_CALLS] and tally[HAPLOID_CALLS] are added to
    """
    for j in range(len(out)):
        first = at + kept[j] * length * width
        a = _allele_at(buffer, first, width) if length > 0 else -1
        b = _allele_at(buffer, first + width, width) if length > 1 else -2
        if a > n_alts or b > n_alts:
            return False
        if a < 0 or b == -1:
            out[j] = MISSING_CALL
            tally[HALF_CALLS] += (a >= 0) != (b >= 0) and b != -2
        elif b == -2:
            out[j] = HAPLOID + (a == alt)
            tally[HAPLOID_CALLS] += 1
        else:
            out[j] = (a == alt) + (b == alt)
            if phase and out[j] == 1 and _integer(buffer, first + width, width) & 1:
                out[j] = 1 + (ALT_FIRST if a == alt else ALT_SECOND)
    return True


@inner
def _is_polyploid(buffer, at, width, length, n_samples):
    """Does any sample's call have a third allele?"""
    for s in range(n_samples):
        for i in range(2, length):
            if _allele_at(buffer, at + (s * length + i) * width, width) != -2:
                return True
    return False


@inner
def _number(buffer, at, kind, word, real):
    """One value as float32: (value, whether it lies behind the end of its vector); NaN missing.

    word, real : uint32 (1,) and its float32 view, to turn bits into a number
    """
    if kind == FLOAT:
        word[0] = np.uint32(_u32(buffer, at))
        return real[0], word[0] == FLOAT_END
    width = _width(kind)
    value = _integer(buffer, at, width)
    lowest = -(1 << (8 * width - 1))
    return np.float32(np.nan) if value <= lowest + 1 else np.float32(value), value == lowest + 1


@inner
def _dosage_of(buffer, at, kind, length, field, alt, n_alts, word, real):
    """Expected copies of one ALT from a DS or GP vector, NaN where it does not say.

    GP follows the order of VCF 4.3 section 1.6.2: 0/0 0/1 1/1 0/2 1/2 2/2 ...; as many values as
    alleles are a haploid call's
    """
    if field == DS:
        if alt > length:
            return np.float32(np.nan)
        return _number(buffer, at + (alt - 1) * _width(kind), kind, word, real)[0]
    n = 0
    while n < length and not _number(buffer, at + n * _width(kind), kind, word, real)[1]:
        n += 1
    if n == n_alts + 1:
        return _number(buffer, at + alt * _width(kind), kind, word, real)[0]
    if n != (n_alts + 1) * (n_alts + 2) // 2:
        return np.float32(np.nan)
    total = np.float32(0)
    i = 0
    for b in range(n_alts + 1):
        for a in range(b + 1):
            if a == alt or b == alt:
                share = _number(buffer, at + i * _width(kind), kind, word, real)[0]
                total += share * np.float32((a == alt) + (b == alt))
            i += 1
    return total


@inner
def _fill_dosage(buffer, dosage, field, alt, n_alts, has_gt, kept, alt_count, out, word, real):
    """Fill one row of dosages; the call stands in where there is none, and the other way round.

    returns : False when a dosage is not between 0 and 2
    """
    kind, length, at = dosage
    for j in range(len(out)):
        value = np.float32(np.nan)
        if at > 0 and n_alts > 0 and _width(kind) > 0 and kind != CHAR:
            first = at + kept[j] * length * _width(kind)
            value = _dosage_of(buffer, first, kind, length, field, alt, n_alts, word, real)
        if value < -SLACK or value > 2 + SLACK:
            return False
        known = value == value
        if known:
            value = min(max(value, np.float32(0)), np.float32(2))
        if not has_gt:
            near = known and abs(value - np.rint(value)) <= 0.100001  # as plink2's hard calls
            alt_count[j] = np.int8(np.rint(value)) if near else MISSING_CALL
        elif not known and alt_count[j] >= 0:
            value = np.float32(alt_count[j] & 3)
        out[j] = value
    return True


@inner
def _is_low(buffer, field, sample, least, word, real):
    """Is this sample's number below `least`? Not when it is missing, or there is no such field."""
    kind, length, at = field
    if at == 0 or length == 0 or _width(kind) == 0 or kind == CHAR:
        return False
    value = _number(buffer, at + sample * length * _width(kind), kind, word, real)[0]
    return value < np.float32(least)


@inner
def _drop_low(buffer, depth, quality, thresholds, kept, alt_count, rows, n_rows, dosage, tally,
              word, real):  # fmt: skip
    """Turn calls of too little depth or quality into missing ones, in all rows of a record."""
    for j in range(len(kept)):
        if _is_low(buffer, depth, kept[j], thresholds[0], word, real) or _is_low(
            buffer, quality, kept[j], thresholds[1], word, real
        ):
            tally[LOW_CALLS] += alt_count[rows, j] >= 0
            for row in range(rows, rows + n_rows):
                alt_count[row, j] = MISSING_CALL
                if len(dosage):
                    dosage[row, j] = np.nan


@kernel
def decode_records(
    buffer,
    place,
    chosen,
    first,
    n_samples,
    keys,
    field,
    thresholds,
    phase,
    kept,
    alt_count,
    call_dosage,
    row,
    fate,
    tally,
    word,
    real,
):
    """Decode chosen records into rows, one per ALT (one for a record without ALT).

    place       : int32 (records, N_PLACES), from walk_records
    chosen      : int64 (chosen,), records to decode; those before `first` are done
    n_samples   : of the file
    keys        : int64 (4,), numbers of GT, the dosage field, DP and GQ in the dictionary, or -1
    field       : NO_DOSAGE, DS or GP
    thresholds  : int64 (2,), least DP and GQ of a call
    phase       : whether heterozygous phased calls are coded as such, see vcf_cells.split_phase
    kept        : int64 (samples,), the samples to decode
    alt_count   : int8 (rows, samples), filled from `row` on; haploid calls are coded HAPLOID + 0, 1
    call_dosage : float32 (rows, samples), filled likewise, or (0, 0) for NO_DOSAGE
    fate        : uint8 (chosen,), filled: EMITTED or REFUSED (more than two alleles in a call)
    tally       : int64 (N_TALLIES,), added to
    word, real  : uint32 (1,) and its float32 view, scratch
    returns     : first record that is not done (the rows are full, or it is wrong), next free row,
                  what is wrong with that record (or 0)
    """
    everybody = len(kept) == n_samples
    for c in range(first, len(chosen)):
        here = place[chosen[c]]
        n_alts = np.int64(here[N_ALTS])
        n_rows = n_alts if n_alts > 0 else 1
        if row + n_rows > len(alt_count):
            return c, row, 0
        gt, dosage, depth, quality, good = _find_formats(buffer, here, n_samples, keys)
        if not good:
            return c, row, BAD_STRUCTURE
        kind, length, at = gt
        width = _width(kind)
        if at > 0 and length > 2 and _is_polyploid(buffer, at, width, length, n_samples):
            fate[c] = REFUSED
            continue
        fate[c] = EMITTED
        half, haploid = tally[HALF_CALLS], tally[HAPLOID_CALLS]
        for k in range(n_rows):
            alt = k + 1
            out = alt_count[row + k]
            tally[HALF_CALLS], tally[HAPLOID_CALLS] = half, haploid
            if at == 0:
                for j in range(len(out)):
                    out[j] = MISSING_CALL
            elif (
                everybody
                and width == 1
                and length == 2
                and n_alts <= 60
                and _count_plain(buffer, at, alt, n_alts, out)
            ):
                if phase:
                    _add_phase(buffer, at, alt, out)
            elif not _count_any(buffer, at, width, length, kept, alt, n_alts, phase, out, tally):
                return c, row, BAD_ALLELE
            if field != NO_DOSAGE and not _fill_dosage(
                buffer,
                dosage,
                field,
                alt,
                n_alts,
                at > 0,
                kept,
                out,
                call_dosage[row + k],
                word,
                real,
            ):
                return c, row, BAD_DOSAGE
        if depth[2] > 0 or quality[2] > 0:
            _drop_low(
                buffer, depth, quality, thresholds, kept, alt_count, row, n_rows, call_dosage,
                tally, word, real,
            )  # fmt: skip
        row += n_rows
    return len(chosen), row, 0
