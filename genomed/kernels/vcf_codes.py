"""Numbers that the VCF kernels and their caller agree on; see vcf_text for what they mean."""

import numpy as np

# GP values of a call, enough for 126 ALTs; behind them in `values` a dosage for each of these.
GP_VALUES = 8192
VALUES = GP_VALUES + 128

# What scan_lines returns.
DONE, FULL, ERROR = 0, 1, 2

# Slots of `state`, int64. Counters are added to; the others are set on return.
(
    N_LINES,
    N_PASSED_OVER,
    N_EMITTED,
    N_REFUSED_PLOIDY,
    N_HALF_CALLS,
    N_CRLF,
    N_UNSORTED,
    N_SAME_POSITION,
    N_CHANGES,
    N_ROWS,
    HEAD_USED,
    RESUME,
    ERROR_CODE,
    ERROR_AT,
    ERROR_COLUMN,
    FIRST_POSITION,
    LAST_POSITION,
    LAST_CONTIG_AT,
    LAST_CONTIG_LENGTH,
    ROWS_NEEDED,
    HEAD_NEEDED,
    BLANK_END,
    N_LOW_BLOCK_CALLS,
    N_UNNAMED_ALTS,
    N_LOW_CALLS,
) = range(25)
STATE_SIZE = 25

# Values of state[ERROR_CODE].
(
    BAD_COLUMNS,
    BAD_POSITION,
    BAD_GENOTYPE,
    BAD_ALLELE,
    BAD_NUMBER,
    EMPTY_ALLELE,
    TOO_MANY_CHANGES,
    BLANK_LINE,
    BAD_END,
    BAD_CHARACTER,
) = range(1, 11)

# Bits of row_flags.
HAS_HAPLOID, NO_GENOTYPE = 1, 2

NO_DOSAGE, DS, GP = 0, 1, 2

TAB, LINE_FEED, CARRIAGE_RETURN = 9, 10, 13
_GT, _DS, _GP = (np.frombuffer(k, np.uint8) for k in (b"GT", b"DS", b"GP"))
_MIN_DP, _DP, _GQ, _RGQ = (np.frombuffer(k, np.uint8) for k in (b"MIN_DP", b"DP", b"GQ", b"RGQ"))

COMMA, DOT, SLASH, ZERO, NINE, COLON, SEMICOLON = 44, 46, 47, 48, 57, 58, 59
LESS_THAN, BAR, MINUS, PLUS = 60, 124, 45, 43
MISSING_CALL = -9
SLACK = 0.01  # rounding that dosages are forgiven beyond 0 and 2
HAPLOID_CODE = 4  # 4 and 5 stand for 0 and 1 copies in a haploid call until the caller splits them
# Heterozygous phased calls are 1 plus one of these, until the caller splits them off.
ALT_SECOND, ALT_FIRST = 16, 32  # 0|1, 1|0
