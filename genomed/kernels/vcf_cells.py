"""The sample columns of a VCF line: calls and dosages to ALT copies. Called by vcf_text only."""

import numpy as np

from genomed.kernels.native import inner, kernel
from genomed.kernels.vcf_codes import (
    ALT_FIRST,
    ALT_SECOND,
    BAD_ALLELE,
    BAD_COLUMNS,
    BAD_GENOTYPE,
    BAD_NUMBER,
    BAR,
    COLON,
    COMMA,
    DOT,
    DS,
    ERROR_AT,
    ERROR_CODE,
    ERROR_COLUMN,
    GP_VALUES,
    HAPLOID_CODE,
    HAS_HAPLOID,
    MINUS,
    MISSING_CALL,
    N_HALF_CALLS,
    N_LOW_BLOCK_CALLS,
    N_LOW_CALLS,
    N_UNNAMED_ALTS,
    NINE,
    PLUS,
    SLACK,
    SLASH,
    TAB,
    ZERO,
)

U1, U4, U8, U16 = np.uint64(1), np.uint64(4), np.uint64(8), np.uint64(16)
EACH = np.uint64(0x0000000100000001)  # the lowest bit of two cells side by side
PHASED_REF = np.uint64(0x09307C3009307C30)  # "0|0<tab>0|0<tab>"
UNPHASED_REF = np.uint64(0x09302F3009302F30)  # "0/0<tab>0/0<tab>"
PAIRS = 32  # pairs of cells that are looked at together: in most of them nobody has the ALT


@inner
def _two_cells(word, phase_bits):
    """Two cells ``a|b`` + tab, a and b in 0 1 '.': 0 when both are such, and their codes.

    The word is compared with "0|0<tab>": what remains is the alleles, 0x1e standing for '.', and
    0x53 where the separator is '/'; without these too, only the lowest bit of an allele may remain.
    """
    d = word ^ PHASED_REF
    dots = d & np.uint64(0x0010001000100010)
    slash = (d >> U8) & EACH
    alleles = d ^ (dots | (dots >> U1) | (dots >> np.uint64(2)) | (dots >> np.uint64(3)))
    alleles ^= (slash | (slash << U1) | (slash << U4) | (slash << np.uint64(6))) << U8
    second = alleles >> U16
    odd = alleles & (~np.uint64(0x0001000100010001) | (dots >> U4))
    odd |= (dots ^ (dots >> U16)) & np.uint64(0x0000001000000010)
    phased = (alleles ^ second) & EACH & ~slash
    missing = (dots >> U4) & EACH
    code = (alleles + second) & np.uint64(0x0000000300000003)
    first_bits, second_bits = alleles << np.uint64(5), (second & EACH) << U4
    code |= (first_bits | second_bits) & ((phased << U4) | (phased << np.uint64(5))) & phase_bits
    code |= (missing << U8) - (missing << np.uint64(3)) - missing  # 0xf7, which is MISSING_CALL
    return odd, code | (code >> np.uint64(24))


@inner
def decode_regular(text, at, n_samples, phase, pairs):
    """Decode cells of three characters and a tab, from text[at] on; whether all were such.

    phase : whether heterozygous phased calls are coded as such
    pairs : uint16, out, int8 codes of two samples in each; at least (n_samples + 1) // 2
    """
    phase_bits = np.uint64(0x0000003000000030) if phase else np.uint64(0)
    n = (n_samples - 1) // 2  # the last one or two are not followed by a tab
    words = text[at : at + 8 * n].view(np.uint64)
    reference = PHASED_REF
    if n > 0 and words[0] == UNPHASED_REF:
        reference = UNPHASED_REF
    odd = np.uint64(0)
    n_blocks = n // PAIRS
    for block in range(n_blocks):
        cells = words[PAIRS * block : PAIRS * block + PAIRS]
        out = pairs[PAIRS * block : PAIRS * block + PAIRS]
        others = np.uint64(0)
        for i in range(PAIRS):
            others |= cells[i] ^ reference
        if others == np.uint64(0):
            for i in range(PAIRS):
                out[i] = 0
        else:
            for i in range(PAIRS):
                irregular, code = _two_cells(cells[i], phase_bits)
                odd |= irregular
                out[i] = np.uint16(code & np.uint64(0xFFFF))
    for i in range(PAIRS * n_blocks, n):
        irregular, code = _two_cells(words[i], phase_bits)
        odd |= irregular
        pairs[i] = np.uint16(code & np.uint64(0xFFFF))
    word = PHASED_REF
    for i in range(4 * (n_samples - 2 * n) - 1):
        byte = np.uint64(0xFF) << np.uint64(8 * i)
        word = (word & ~byte) | (np.uint64(text[at + 8 * n + i]) << np.uint64(8 * i))
    irregular, code = _two_cells(word, phase_bits)
    pairs[n] = np.uint16(code & np.uint64(0xFFFF))
    return (odd | irregular) == np.uint64(0)


@kernel
def split_phase(codes, call_phase):
    """Take phase out of codes, int8 (calls,) each; other codes stay."""
    n = len(codes) // 8
    coded, phases = codes[: 8 * n].view(np.uint64), call_phase[: 8 * n].view(np.uint64)
    for i in range(n):  # eight calls at a time
        x = coded[i]
        negative = (x >> np.uint64(7)) & np.uint64(0x0101010101010101)
        phase = (x >> U4) & ~((negative << U8) - negative) & np.uint64(0x0303030303030303)
        phases[i] = phase
        coded[i] = x ^ (phase << U4)
    for i in range(8 * n, len(codes)):
        call_phase[i] = max(codes[i] >> 4, 0)
        codes[i] -= call_phase[i] << 4


@inner
def _parse_number(text, at, stop, out):
    """Read a decimal number from text[at:stop] into out[0]; the offset after it, or -1.

    '.' alone, an empty field and 'nan' give NaN.
    """
    if (
        at >= stop
        or (text[at] == DOT and (at + 1 >= stop or text[at + 1] == COMMA))
        or text[at] == COMMA
    ):
        out[0] = np.nan
        return at + 1 if at < stop and text[at] == DOT else at
    sign = 1.0
    if text[at] == MINUS or text[at] == PLUS:
        sign = -1.0 if text[at] == MINUS else 1.0
        at += 1
    value, scale, digits = 0.0, 1.0, 0
    while at < stop and ZERO <= text[at] <= NINE:
        value = value * 10.0 + (text[at] - ZERO)
        digits += 1
        at += 1
    if at < stop and text[at] == DOT:
        at += 1
        while at < stop and ZERO <= text[at] <= NINE:
            value = value * 10.0 + (text[at] - ZERO)
            scale *= 10.0
            digits += 1
            at += 1
    if digits == 0:
        if (
            stop - at >= 3
            and (text[at] | 32) == 110
            and (text[at + 1] | 32) == 97
            and (text[at + 2] | 32) == 110
        ):
            out[0] = np.nan
            return at + 3
        return -1
    value = sign * value / scale
    if at < stop and (text[at] | 32) == 101:
        at += 1
        down = False
        if at < stop and (text[at] == MINUS or text[at] == PLUS):
            down = text[at] == MINUS
            at += 1
        power = 0
        if at >= stop or not (ZERO <= text[at] <= NINE):
            return -1
        while at < stop and ZERO <= text[at] <= NINE:
            power = min(power * 10 + (text[at] - ZERO), 400)
            at += 1
        value = value * 10.0 ** (-power if down else power)
    if at < stop and text[at] != COMMA:
        return -1
    out[0] = value
    return at


@inner
def _decode_dosage(text, at, stop, field, n_alts, values, dosage):
    """Expected copies of each ALT from one DS or GP value text[at:stop].

    returns : False when it holds what is no number, or a dosage is not between 0 and 2

    As many GP values as alleles are a haploid call's; as many as genotypes come in the order of VCF
    4.3, section 1.6.2: 0/0 0/1 1/1 0/2 1/2 2/2 ...; any other number says nothing.

    values : float64 scratch, at least (n_alts + 1) * (n_alts + 2) / 2
    dosage : float32 (n_alts,), filled; NaN where the field does not say
    """
    for j in range(len(dosage)):
        dosage[j] = np.nan
    n = 0
    while at <= stop and n < len(values):
        at = _parse_number(text, at, stop, values[n:])
        if at < 0:
            return False
        n += 1
        if at >= stop:
            break
        at += 1
    if field == DS:
        for j in range(min(n, n_alts)):
            dosage[j] = values[j]
    elif n == n_alts + 1:
        for j in range(n_alts):
            dosage[j] = values[j + 1]
    elif n == (n_alts + 1) * (n_alts + 2) // 2:
        for j in range(n_alts):
            dosage[j] = 0.0
        k = 0
        for b in range(n_alts + 1):
            for a in range(b + 1):
                if a > 0:
                    dosage[a - 1] += values[k]
                if b > 0:
                    dosage[b - 1] += values[k]
                k += 1
    for j in range(len(dosage)):
        if dosage[j] < -SLACK or dosage[j] > 2 + SLACK:
            return False
        if dosage[j] == dosage[j]:
            dosage[j] = min(max(dosage[j], np.float32(0)), np.float32(2))
    return True


@inner
def _whole_number(text, at, stop):
    """Non-negative number at the start of text[at:stop]; -1 when there is none."""
    value, digits = 0, 0
    while at < stop and ZERO <= text[at] <= NINE and digits < 12:
        value = value * 10 + (text[at] - ZERO)
        digits += 1
        at += 1
    return value if digits > 0 else -1


@inner
def decode_cells(
    text, at, stop, n_samples, slots, n_alts, gt_field, dosage_field, dosage_kind, depth_field,
    quality_field, thresholds, call_depth_field, call_quality_field, call_thresholds, phase, row,
    alt_count, call_dosage, values, state,
):  # fmt: skip
    """Decode the sample columns text[at:stop] into alt_count[row:row + n_alts] (at least one row).

    slots    : int64 (n_samples,), column of each sample in alt_count, -1 to leave it out
    depth_field, quality_field, thresholds : of a reference block: where its depth and quality are
               (-1: nowhere), and the least of each for its calls to count
    call_depth_field, call_quality_field, call_thresholds : the same of every record
    phase    : whether heterozygous phased calls are coded as such
    returns  : flags (0, HAS_HAPLOID), -2 when a call has more than two alleles, -1 on error
    """
    flags = 0
    too_many = False
    last_field = max(gt_field, dosage_field, depth_field, quality_field)
    last_field = max(last_field, call_depth_field, call_quality_field)
    dosages = values[GP_VALUES:]
    for s in range(n_samples):
        if at > stop:
            state[ERROR_CODE], state[ERROR_AT], state[ERROR_COLUMN] = BAD_COLUMNS, at, s
            return -1
        first, second, ploidy = -1, -1, 0
        field = 0
        has_dosage = False
        has_call = False
        too_low = False
        low_call = False
        phased = False
        unnamed = False
        while True:  # one turn per colon-separated field of the cell
            if field == gt_field:
                has_call = True
                q = at
                if q < stop and (text[q] == SLASH or text[q] == BAR):
                    q += 1  # VCF 4.4: a leading phase sign
                while True:
                    allele = -1
                    if q < stop and text[q] == DOT:
                        q += 1
                    else:
                        digits = 0
                        allele = 0
                        while q < stop and ZERO <= text[q] <= NINE:
                            allele = allele * 10 + (text[q] - ZERO)
                            digits += 1
                            q += 1
                        if digits == 0 or digits > 9:
                            state[ERROR_CODE], state[ERROR_AT], state[ERROR_COLUMN] = (
                                BAD_GENOTYPE,
                                at,
                                s,
                            )
                            return -1
                        if allele > n_alts and n_alts == 0:
                            allele = -1  # a call of an ALT that the line does not name
                            unnamed = True
                        elif allele > n_alts:
                            state[ERROR_CODE], state[ERROR_AT], state[ERROR_COLUMN] = (
                                BAD_ALLELE,
                                at,
                                s,
                            )
                            return -1
                    if ploidy == 0:
                        first = allele
                    elif ploidy == 1:
                        second = allele
                    ploidy += 1
                    if q < stop and (text[q] == SLASH or text[q] == BAR):
                        phased = text[q] == BAR
                        q += 1
                        continue
                    break
                if q < stop and text[q] != COLON and text[q] != TAB:
                    state[ERROR_CODE], state[ERROR_AT], state[ERROR_COLUMN] = BAD_GENOTYPE, at, s
                    return -1
                at = q
            else:
                if field == dosage_field:
                    q = at
                    while q < stop and text[q] != COLON and text[q] != TAB:
                        q += 1
                    if call_dosage is not None:
                        if not _decode_dosage(
                            text, at, q, dosage_kind, n_alts, values[:GP_VALUES], dosages
                        ):
                            state[ERROR_CODE], state[ERROR_AT], state[ERROR_COLUMN] = (
                                BAD_NUMBER,
                                at,
                                s,
                            )
                            return -1
                        has_dosage = True
                if field in (depth_field, quality_field):
                    value = _whole_number(text, at, stop)
                    least = thresholds[0] if field == depth_field else thresholds[1]
                    too_low = too_low or (0 <= value < least)
                if field in (call_depth_field, call_quality_field):
                    value = _whole_number(text, at, stop)
                    least = call_thresholds[0 if field == call_depth_field else 1]
                    low_call = low_call or (0 <= value < least)
                while at < stop and text[at] != COLON and text[at] != TAB:
                    at += 1
            if field >= last_field:
                while at < stop and text[at] != TAB:
                    at += 1
            if at < stop and text[at] == COLON:
                at += 1
                field += 1
                continue
            break
        at += 1  # over the tab; one beyond `stop` after the last cell
        if ploidy > 2:
            too_many = True
        slot = slots[s]
        called = has_call and first >= 0 and (ploidy == 1 or second >= 0)
        if unnamed:
            called = False
            state[N_UNNAMED_ALTS] += 1
        elif ploidy == 2 and (first >= 0) != (second >= 0):
            state[N_HALF_CALLS] += 1
        if called and too_low:
            called = False
            state[N_LOW_BLOCK_CALLS] += 1
        if slot < 0:
            continue
        if low_call:
            has_dosage = False
            if called:
                called = False
                state[N_LOW_CALLS] += 1
        for j in range(max(n_alts, 1)):
            if not called:
                copies = MISSING_CALL
            elif ploidy == 1:
                copies = HAPLOID_CODE + (1 if first == j + 1 else 0)
                flags |= HAS_HAPLOID
            else:
                copies = (1 if first == j + 1 else 0) + (1 if second == j + 1 else 0)
                if phase and phased and copies == 1:
                    copies += ALT_FIRST if first == j + 1 else ALT_SECOND
            if call_dosage is not None:
                d = np.float32(dosages[j]) if has_dosage else np.float32(np.nan)
                if np.isnan(d) and called:
                    d = np.float32(copies & 3)
                call_dosage[row + j, slot] = d
                if gt_field < 0 and not np.isnan(d) and abs(d - np.rint(d)) <= 0.100001:
                    copies = int(np.rint(d))  # as plink2's hard calls
            alt_count[row + j, slot] = copies
    if at <= stop:
        state[ERROR_CODE], state[ERROR_AT], state[ERROR_COLUMN] = BAD_COLUMNS, at, n_samples
        return -1
    return -2 if too_many else flags
