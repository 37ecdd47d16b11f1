"""Rows of numbers as text, between the text columns of a table."""

import math

import numpy as np

from genomed.kernels.native import inner, kernel

__all__ = ["MAX_NUMBER", "write_rows"]

MAX_NUMBER = 24  # bytes of the longest number and its tab
ZERO, DOT, MINUS, PLUS, SMALL_E, TAB, LINE_FEED = 48, 46, 45, 43, 101, 9, 10
POWERS = 10.0 ** np.arange(23)  # exact
PAIRS = np.array([(ZERO + n // 10, ZERO + n % 10) for n in range(100)], np.uint8)


@inner
def _power_of_ten(n):
    """10 ** n of -400 < n < 310; what is exact as a float64 is exact here."""
    if n >= 0 and n < len(POWERS):
        return POWERS[n]
    power = 1.0
    base = 10.0
    left = abs(n)
    while left:
        if left & 1:
            power *= base
        base *= base
        left >>= 1
    return power if n >= 0 else 1.0 / power


@inner
def _digits(value, n_digits):
    """Decimal exponent of a positive number, and its first digits as a whole number."""
    if 1e-5 <= value < 10.0:  # as most are
        exponent = -((value < 1.0) + (value < 0.1) + (value < 0.01))
        if exponent == -3:
            exponent -= (value < 0.001) + (value < 0.0001)
    else:
        exponent = math.floor(math.log10(value))
    shift = n_digits - 1 - exponent
    if shift > 250:
        scaled = value * 1e250 * _power_of_ten(shift - 250)
    elif shift >= 0:
        scaled = value * _power_of_ten(shift)
    else:
        scaled = value / _power_of_ten(-shift)
    limit = _power_of_ten(n_digits)
    digits = round(scaled)
    if digits >= limit:
        digits = round(scaled / 10.0)
        exponent += 1
    elif digits * 10.0 < limit:  # log10 was rounded up to a whole number
        digits = round(scaled * 10.0)
        exponent -= 1
    return exponent, np.int64(digits)


@inner
def _put_whole(n, out, at):
    """Write a whole number; where it ends."""
    if n >= 0 and n < 10:
        out[at] = ZERO + n
        return at + 1
    if n < 0:
        out[at] = MINUS
        at += 1
        n = -n
    end = at + 1 + (n >= 10) + (n >= 100) + (n >= 1000) + (n >= 10000)
    left = n // 100000
    while left:
        left //= 10
        end += 1
    here = end
    while here - at > 1:
        here -= 2
        pair = n % 100
        out[here] = PAIRS[pair, 0]
        out[here + 1] = PAIRS[pair, 1]
        n //= 100
    if here > at:
        out[at] = ZERO + n
    return end


@inner
def _put_number(value, n_digits, out, at):
    """Write a number with some significant digits, as C's %g does; where it ends."""
    if value < 0.0:
        out[at] = MINUS
        at += 1
        value = -value
    if value == math.floor(value) and value < 1e5:
        return _put_whole(np.int64(value), out, at)
    exponent, digits = _digits(value, n_digits)
    n = n_digits
    while digits % 10 == 0 and n > 1:
        digits //= 10
        n -= 1
    if exponent < -4 or exponent >= n_digits:
        return _put_scientific(digits, n, exponent, out, at)
    if exponent < 0:
        out[at] = ZERO
        out[at + 1] = DOT
        at += 2
        for _ in range(-exponent - 1):
            out[at] = ZERO
            at += 1
        return _put_whole(digits, out, at)
    before = exponent + 1  # digits in front of the point
    if n <= before:
        end = _put_whole(digits, out, at)
        for _ in range(before - n):
            out[end] = ZERO
            end += 1
        return end
    end = at + n + 1
    here = end
    for i in range(n):
        if i == n - before:
            here -= 1
            out[here] = DOT
        here -= 1
        out[here] = ZERO + digits % 10
        digits //= 10
    return end


@inner
def _put_scientific(digits, n, exponent, out, at):
    end = at + n + (1 if n > 1 else 0)
    here = end
    for i in range(n):
        if i == n - 1 and n > 1:
            here -= 1
            out[here] = DOT
        here -= 1
        out[here] = ZERO + digits % 10
        digits //= 10
    out[end] = SMALL_E
    out[end + 1] = MINUS if exponent < 0 else PLUS
    exponent = abs(exponent)
    if exponent < 10:
        out[end + 2] = ZERO
        return _put_whole(exponent, out, end + 3)
    return _put_whole(exponent, out, end + 2)


@inner
def _copy_line(text, at, out, end):
    """Copy what is left of a line of `text`; where its line feed is, and where the copy ends."""
    while text[at] != LINE_FEED:
        out[end] = text[at]
        at += 1
        end += 1
    return at, end


@kernel
def write_rows(head, values, whole, tail, n_digits, out):
    """Write lines: a line of `head`, numbers, and a line of `tail`, with tabs between.

    head, tail : uint8, one line per row, each with a line feed at its end
    values     : float64 (columns, rows); NaN is an empty field
    whole      : bool (columns,), whether the numbers are whole and written in full
    n_digits   : significant digits of the others
    out        : uint8, of length head + tail + (MAX_NUMBER x columns + 2) x rows at least
    returns    : bytes written
    """
    in_head, in_tail, end = 0, 0, 0
    for row in range(values.shape[1]):
        in_head, end = _copy_line(head, in_head, out, end)
        in_head += 1
        for column in range(values.shape[0]):
            out[end] = TAB
            end += 1
            value = values[column, row]
            if value != value:
                continue
            if whole[column]:
                end = _put_whole(np.int64(value), out, end)
            else:
                end = _put_number(value, n_digits, out, end)
        out[end] = TAB
        in_tail, end = _copy_line(tail, in_tail, out, end + 1)
        in_tail += 1
        out[end] = LINE_FEED
        end += 1
    return end
