"""Further inputs of the benchmarks, derived from a cohort's weights: the same bytes every time.

python benchmarks/inputs.py DATA COHORT WORK [reference]
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

N_MODELS = 500
FEW_SITES = 50


def read_rows(path: Path) -> list[list[str]]:
    """Rows of ID, A1, WEIGHT, without the header."""
    return [line.split("\t") for line in path.read_text().splitlines()[1:]]


def write_few_sites(rows: list[list[str]], path: Path) -> None:
    """FEW_SITES variants spread evenly over the genome, keyed by position: an index knows no IDs.

    The cohorts name a variant contig:position:ref:alt.
    """
    chosen = rows[:: max(1, len(rows) // FEW_SITES)][:FEW_SITES]
    lines = ["chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight"]
    for variant_id, allele, weight in chosen:
        contig, position, ref, alt = variant_id.split(":")
        lines.append("\t".join([contig, position, allele, ref if allele == alt else alt, weight]))
    path.write_text("\n".join(lines) + "\n")


def write_many_columns(rows: list[list[str]], path: Path) -> None:
    """N_MODELS weight columns over the same variants."""
    rng = np.random.default_rng(1)
    with path.open("w") as out:
        out.write("ID\tA1\t" + "\t".join(f"W{i}" for i in range(N_MODELS)) + "\n")
        for variant_id, allele, _ in rows:
            weights = rng.normal(0, 0.01, N_MODELS)
            out.write(f"{variant_id}\t{allele}\t" + "\t".join(f"{w:.5g}" for w in weights) + "\n")


def write_many_files(rows: list[list[str]], directory: Path) -> None:
    """N_MODELS files whose sizes are spread, on a log scale, from 10 to 1,000 variants."""
    rng = np.random.default_rng(2)
    directory.mkdir()
    for number in range(N_MODELS):
        size = min(len(rows), int(10 ** rng.uniform(1, 3)))
        chosen = np.sort(rng.choice(len(rows), size, replace=False))
        text = "".join("\t".join(rows[i]) + "\n" for i in chosen)
        (directory / f"model{number:03}.tsv").write_text("ID\tA1\tWEIGHT\n" + text)


def write_reference(data: Path, cohort: str, work: Path) -> None:
    """A reference bundle of the cohort's own people; where nobody tells their populations, every
    other one is labelled otherwise, which takes as long."""
    told = data / f"{cohort}.samples.tsv"  # columns sample, pop
    if told.is_file():
        rows = [line.split("\t")[:2] for line in told.read_text().splitlines()[1:]]
    else:
        lines = (data / f"{cohort}.psam").read_text().splitlines()[1:]
        rows = [[line.split("\t")[0], f"P{i % 2}"] for i, line in enumerate(lines)]
    labels = work / f"{cohort}.labels.tsv"
    labels.write_text("sample\tpopulation\n" + "".join("\t".join(r) + "\n" for r in rows))
    command = [sys.executable, "-m", "genomed", "structure", "reference", f"{data / cohort}.pgen"]
    options = ["--labels", labels, "--build", "GRCh38", "--quiet"]
    out = work / f"{cohort}.reference.zip"
    subprocess.run([*command, *options, "--out", out], check=True)


def main() -> None:
    data, cohort, work = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    work.mkdir(parents=True)
    rows = read_rows(data / f"{cohort}.w10k.tsv")
    write_few_sites(rows, work / f"{cohort}.few.tsv")
    write_many_columns(rows, work / f"{cohort}.columns.tsv")
    write_many_files(rows, work / f"{cohort}.models")
    if "reference" in sys.argv[4:]:
        write_reference(data, cohort, work)
    # The same file without its index, so that it has to be streamed.
    (work / f"{cohort}.vcf.gz").symlink_to((data / f"{cohort}.vcf.gz").resolve())


if __name__ == "__main__":
    main()
