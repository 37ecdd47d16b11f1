"""Variants against a reference: is REF what it says, and where does an indel begin leftmost?"""

import numpy as np

from genomed.kernels.native import inner, kernel

__all__ = ["ALIGNED", "ALT_IS_REF", "BAD_REF", "SAME", "UNTOUCHED", "align_left", "sort_window"]

# What became of a variant.
SAME, ALIGNED, UNTOUCHED, BAD_REF, ALT_IS_REF = range(5)

N = np.uint8(78)


@inner
def _base(text, first, line_bases, line_bytes, i):
    """Base i of a contig: A, C, G, T, or N for anything else."""
    c = text[first + i // line_bases * line_bytes + i % line_bases] & np.uint8(223)
    return c if c == 65 or c == 67 or c == 71 or c == 84 else N


@inner
def _matches(text, first, length, line_bases, line_bytes, at, letters, start, stop):
    """Whether letters[start:stop] stand at `at` of the contig; letters beyond ACGT are N."""
    if at < 0 or at + stop - start > length:
        return False
    for i in range(stop - start):
        c = letters[start + i] & np.uint8(223)
        if c != 65 and c != 67 and c != 71 and c != 84:
            c = N
        if c != _base(text, first, line_bases, line_bytes, at + i):
            return False
    return True


@inner
def _is_plain(letters, start, stop):
    """Whether an allele is made of A, C, G, T and N only."""
    for i in range(start, stop):
        c = letters[i] & np.uint8(223)
        if c != 65 and c != 67 and c != 71 and c != 84 and c != N:
            return False
    return stop > start


@inner
def _letter(text, first, line_bases, line_bytes, at, letters, start, i):
    """Letter i of an allele that begins at `at`; negative i lies before it on the contig."""
    if i < 0:
        return _base(text, first, line_bases, line_bytes, at + i)
    return letters[start + i] & np.uint8(223)


@kernel
def align_left(
    text, first, length, line_bases, line_bytes, position, letters, ref_start, ref_stop, alt_start,
    alt_stop, fate, new_position, new_ref_length, new_alt_length,
):  # fmt: skip
    """Check REF, then trim and move each variant as far left as it goes without changing the
    haplotype (Tan, Abecasis and Kang 2015, doi:10.1093/bioinformatics/btv112, algorithm 1).

    text, first, length, line_bases, line_bytes : a genomed.io.fasta.Sequence
    position       : int64 (variants,), 1-based
    letters        : uint8, alleles; variant v has REF letters[ref_start[v]:ref_stop[v]] and so on
    fate           : int8 (variants,), filled: SAME, ALIGNED, UNTOUCHED (ALT is not made of bases,
                     or equals REF), BAD_REF, or ALT_IS_REF (REF is not there, but ALT is)
    new_position, new_ref_length, new_alt_length : int64 (variants,), filled for ALIGNED
    """
    for v in range(len(position)):
        at = position[v] - 1
        r0, a0 = ref_start[v], alt_start[v]
        n_ref, n_alt = ref_stop[v] - r0, alt_stop[v] - a0
        if not _matches(text, first, length, line_bases, line_bytes, at, letters, r0, ref_stop[v]):
            fate[v] = BAD_REF
            if _is_plain(letters, a0, alt_stop[v]) and _matches(
                text, first, length, line_bases, line_bytes, at, letters, a0, alt_stop[v]
            ):
                fate[v] = ALT_IS_REF
            continue
        same = n_ref == n_alt
        for i in range(n_ref if same else 0):
            same = same and letters[r0 + i] == letters[a0 + i]
        if same or not _is_plain(letters, a0, alt_stop[v]):
            fate[v] = UNTOUCHED
            continue
        shortest = min(n_ref, n_alt)
        cut = 0  # bases taken off the right end
        while at + shortest - cut > 1 and _letter(
            text, first, line_bases, line_bytes, at, letters, r0, n_ref - 1 - cut
        ) == _letter(text, first, line_bases, line_bytes, at, letters, a0, n_alt - 1 - cut):
            cut += 1
        begin = 0  # letters taken off the left end; negative: added from the contig
        if shortest - cut < 1:
            begin = shortest - cut - 1
        else:
            while shortest - cut - begin > 1 and (letters[r0 + begin] & np.uint8(223)) == (
                letters[a0 + begin] & np.uint8(223)
            ):
                begin += 1
        fate[v] = SAME
        if cut > 0 or begin > 0:
            fate[v] = ALIGNED
            new_position[v] = position[v] + begin
            new_ref_length[v] = n_ref - cut - begin
            new_alt_length[v] = n_alt - cut - begin


@kernel
def sort_window(n_held, contig, position, window, finish, order):
    """Order rows by position as they pass through a window, first come first among equals.

    n_held   : of the rows, so many were held back before and are in order
    contig   : int32 (rows,), any number that changes where the contig does
    position : int64 (rows,)
    window   : a row leaves once one lies so many bases behind it
    finish   : whether no more rows will come
    order    : int64 (rows,), filled: rows that leave, in their order, then those held back
    returns  : rows that leave
    """
    for v in range(n_held):
        order[v] = v
    left = 0
    n = n_held
    for v in range(n_held, len(position)):
        if n > left and contig[order[n - 1]] != contig[v]:
            left = n
        i = n
        while i > left and position[order[i - 1]] > position[v]:
            order[i] = order[i - 1]
            i -= 1
        order[i] = v
        n += 1
        while left < n and position[order[n - 1]] - position[order[left]] >= window:
            left += 1
    return n if finish else left
