"""Make a cohort of more variants: each contig so many times, under other names.

python benchmarks/costs/repeat_contigs.py SOURCE.vcf.gz PREFIX TIMES

Contigs of the source are called 1 to n. PREFIX.vcf.gz, its index and PREFIX.pgen are written.
"""

import gzip
import subprocess
import sys
from pathlib import Path

LENGTH = 250_000_000


def repeat(source: Path, prefix: Path, times: int) -> None:
    with gzip.open(source, "rt") as file:
        lines = file.readlines()
    header = [line for line in lines if line.startswith("#") and "##contig" not in line]
    rows = [line.split("\t", 3) for line in lines if not line.startswith("#")]
    n = max(int(row[0]) for row in rows)
    contigs = [f"##contig=<ID={c + 1},length={LENGTH}>\n" for c in range(n * times)]
    plain = prefix.with_suffix(".vcf")
    with plain.open("w") as out:
        out.writelines([header[0], *contigs, *header[1:]])
        for k in range(times):
            for contig, position, _, rest in rows:
                out.write(f"{int(contig) + n * k}\t{position}\t.\t{rest}")
    subprocess.run(["bgzip", "-f", plain], check=True)
    subprocess.run(["tabix", "-f", f"{plain}.gz"], check=True)
    command = ["genomed", "convert", f"{plain}.gz", "--out", prefix, "--quiet"]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    repeat(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
