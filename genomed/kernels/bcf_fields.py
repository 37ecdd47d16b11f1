"""QUAL, FILTER and INFO of BCF2 records as the text that a VCF has in their place.

Numbers are written as htslib writes them: with six significant digits, as C's %g, but for halves
between 0.0001 and 999999, which go up. A float32 times a power of ten up to 10^22 is rounded once,
so the digits are right wherever %g's are, but for numbers below 1e-17.
"""

import numpy as np

from genomed.kernels.bcf_binary import (
    ALLELES,
    CHAR,
    FLOAT,
    FLOAT_END,
    INDIVIDUAL,
    N_ALTS,
    START,
    _i32,
    _integer,
    _key,
    _typed,
    _u32,
    _width,
)
from genomed.kernels.native import inner, kernel

__all__ = ["join_fields"]

FLOAT_MISSING = np.uint32(0x7F800001)
STRING_MISSING = 7
POWERS = 10.0 ** np.arange(23)
ROOM = 64  # most bytes of a number and what stands before it
DOT, COMMA, SEMICOLON, EQUALS, MINUS, ZERO, TAB, LINE_FEED = 46, 44, 59, 61, 45, 48, 9, 10


@inner
def _put_integer(out, at, value):
    """Decimal digits of an integer; where they end."""
    if value < 0:
        out[at] = MINUS
        at += 1
        value = -value
    digits, rest = 1, value // 10
    while rest > 0:
        digits += 1
        rest //= 10
    for i in range(digits):
        out[at + digits - 1 - i] = ZERO + value % 10
        value //= 10
    return at + digits


@inner
def _six_digits(x, power):
    """x / 10 ** power as a whole number of six digits, when power is that of x's first digit."""
    up = 5 - power
    low = min(abs(up), 22)
    if up < 0:
        return np.int64(np.rint(x / POWERS[low] / POWERS[-up - low]))
    high = min(up - low, 22)
    scaled = x * POWERS[low] * POWERS[high] * POWERS[up - low - high]
    if 0.0001 <= x <= 999999.0:
        return np.int64(np.floor(scaled + 0.5))
    return np.int64(np.rint(scaled))


@inner
def _put_real(out, at, x):
    """A float64 as %g writes it; where it ends."""
    if x != x:
        out[at], out[at + 1], out[at + 2] = 110, 97, 110
        return at + 3
    if np.signbit(x):
        out[at] = MINUS
        at += 1
        x = -x
    if x > 3.5e38:  # no float32 is greater, but for infinity
        out[at], out[at + 1], out[at + 2] = 105, 110, 102
        return at + 3
    if x == 0.0:
        out[at] = ZERO
        return at + 1
    power, y = 0, x
    while y >= 10.0:
        y /= 10.0
        power += 1
    while y < 1.0:
        y *= 10.0
        power -= 1
    m = _six_digits(x, power)
    if m < 100000:
        power -= 1
        m = _six_digits(x, power)
    elif m >= 1000000:
        power += 1
        m = _six_digits(x, power)
    digits = 6
    while m % 10 == 0:
        m //= 10
        digits -= 1
    if power < -4 or power >= 6:  # d.ddde+xx
        last = at + digits - 1 + (1 if digits > 1 else 0)
        for i in range(digits - 1):
            out[last - i] = ZERO + m % 10
            m //= 10
        if digits > 1:
            out[at + 1] = DOT
        out[at] = ZERO + m
        at = last + 1
        out[at], out[at + 1] = 101, MINUS if power < 0 else 43
        power = abs(power)
        out[at + 2], out[at + 3] = ZERO + power // 10, ZERO + power % 10
        return at + 4
    if power < 0:  # 0.000ddd
        out[at], out[at + 1] = ZERO, DOT
        for i in range(-power - 1):
            out[at + 2 + i] = ZERO
        last = at - power + digits
        for i in range(digits):
            out[last - i] = ZERO + m % 10
            m //= 10
        return last + 1
    whole = power + 1  # digits before the point
    while digits < whole:
        m *= 10
        digits += 1
    stop = at + digits + (1 if digits > whole else 0)
    i = stop
    for k in range(digits):
        if k == digits - whole and k > 0:
            i -= 1
            out[i] = DOT
        i -= 1
        out[i] = ZERO + m % 10
        m //= 10
    return stop


@inner
def _put_name(out, at, key, text, bounds):
    """A name of the header's dictionary; where it ends, or -1 when there is no such name."""
    if key < 0 or key + 1 >= len(bounds) or bounds[key] == bounds[key + 1]:
        return -1
    if at + bounds[key + 1] - bounds[key] + ROOM > len(out):
        return -2
    for i in range(bounds[key], bounds[key + 1]):
        out[at] = text[i]
        at += 1
    return at


@inner
def _put_values(out, at, buffer, kind, length, data, word, real):
    """Values of an INFO field with commas between; where they end, or -2 when `out` is full."""
    if at + length + ROOM > len(out):
        return -2
    if kind == CHAR:
        for i in range(data, data + length):
            if buffer[i] == 0:
                break
            out[at] = DOT if buffer[i] == STRING_MISSING else buffer[i]
            at += 1
        return at
    width = _width(kind)
    lowest = -(1 << (8 * width - 1))
    for i in range(length):
        if at + ROOM > len(out):
            return -2
        here = data + i * width
        missing, end, value = False, False, np.int64(0)
        if kind == FLOAT:
            word[0] = np.uint32(_u32(buffer, here))
            missing, end = word[0] == FLOAT_MISSING, word[0] == FLOAT_END
        else:
            value = _integer(buffer, here, width)
            missing, end = value == lowest, value == lowest + 1
        if end:
            break
        if i:
            out[at] = COMMA
            at += 1
        if missing:
            out[at] = DOT
            at += 1
        elif kind == FLOAT:
            at = _put_real(out, at, np.float64(real[0]))
        else:
            at = _put_integer(out, at, value)
    return at


@inner
def _put_filter(out, at, buffer, place, text, bounds):
    """FILTER; where it ends, or -1 or -2; and where INFO begins."""
    stop = np.int64(place[INDIVIDUAL])
    here = np.int64(place[ALLELES])
    for _ in range(place[N_ALTS] + 1):
        _, length, data = _typed(buffer, here, stop)
        here = data + length
    kind, length, data = _typed(buffer, here, stop)
    if data < 0 or (length > 0 and kind in (FLOAT, CHAR)):
        return -1, here
    for i in range(length):
        if i:
            out[at] = SEMICOLON
            at += 1
        key = _integer(buffer, data + i * _width(kind), _width(kind))
        at = _put_name(out, at, key, text, bounds)
        if at < 0:
            return at, here
    if length == 0:
        out[at] = DOT
        at += 1
    return at, data + length * _width(kind)


@inner
def _put_info(out, at, buffer, here, place, text, bounds, word, real):
    """INFO, which begins at `here`; where it ends, or -1 or -2."""
    stop = np.int64(place[INDIVIDUAL])
    n_info = _u32(buffer, place[START] + 24) & 65535
    for i in range(n_info):
        if i:
            out[at] = SEMICOLON
            at += 1
        key, here = _key(buffer, here, stop)
        if here < 0:
            return -1
        kind, length, data = _typed(buffer, here, stop)
        if data < 0:
            return -1
        here = data + length * _width(kind)
        at = _put_name(out, at, key, text, bounds)
        if at < 0:
            return at
        if length > 0:
            out[at] = EQUALS
            at = _put_values(out, at + 1, buffer, kind, length, data, word, real)
            if at < 0:
                return at
    if n_info == 0:
        out[at] = DOT
        at += 1
    return at


@kernel
def join_fields(buffer, place, rows, first, with_info, text, bounds, out, word, real):
    """Write ``QUAL <tab> FILTER [<tab> INFO] <line feed>`` of walked records.

    rows         : int64 (chosen,); those before `first` are done
    text, bounds : names of the dictionary, joined uint8, and int64 bounds of each number's name
    out          : uint8
    word, real   : uint32 (1,) and its float32 view, scratch
    returns      : the row that is not done because `out` is full, or it is damaged, or all are;
                   bytes written; whether that row is damaged
    """
    n = np.int64(0)
    for r in range(first, len(rows)):
        here = place[rows[r]]
        at = n
        if at + 2 * ROOM > len(out):
            return r, n, False
        word[0] = np.uint32(_i32(buffer, here[START] + 20) & 0xFFFFFFFF)
        if word[0] == FLOAT_MISSING:
            out[at] = DOT
            at += 1
        else:
            at = _put_real(out, at, np.float64(real[0]))
        out[at] = TAB
        at, info = _put_filter(out, at + 1, buffer, here, text, bounds)
        if at >= 0 and with_info:
            if at + ROOM > len(out):
                return r, n, False
            out[at] = TAB
            at = _put_info(out, at + 1, buffer, info, here, text, bounds, word, real)
        if at < 0 or at + 1 > len(out):
            return r, n, at == -1
        out[at] = LINE_FEED
        n = at + 1
    return len(rows), n, False
