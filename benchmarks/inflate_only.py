"""The floor: inflate every BGZF block of a file on N threads, check it, and throw the text away.

python benchmarks/inflate_only.py cohort.vcf.gz --threads 2
"""

import argparse
import itertools
import mmap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from zlib_ng.zlib_ng import _GzipReader

BLOCKS_PER_PART = 64  # x 64 KiB of text at most
BUFFER_BYTES = 1 << 20

LOCAL = threading.local()


def block_starts(data: mmap.mmap) -> list[int]:
    """Offset of every block, and of the end; a block says its size at byte 16 (SAMv1, 4.1)."""
    starts = [0]
    while starts[-1] < len(data):
        at = starts[-1]
        starts.append(at + int.from_bytes(data[at + 16 : at + 18], "little") + 1)
    return starts


def inflate(part: memoryview) -> int:
    """Inflate adjacent blocks into this thread's own buffer; returns the bytes of text."""
    if not hasattr(LOCAL, "buffer"):
        LOCAL.buffer = bytearray(BUFFER_BYTES)
    reader = _GzipReader(part, BUFFER_BYTES)
    n_bytes = 0
    while filled := reader.readinto(LOCAL.buffer):
        n_bytes += filled
    return n_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with options.path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        starts = block_starts(data)
        bounds = [*starts[:-1:BLOCKS_PER_PART], starts[-1]]
        view = memoryview(data)
        parts = [view[a:b] for a, b in itertools.pairwise(bounds)]
        with ThreadPoolExecutor(options.threads) as pool:
            n_bytes = sum(pool.map(inflate, parts))
    print(f"{n_bytes} bytes of text")


if __name__ == "__main__":
    main()
