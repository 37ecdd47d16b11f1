"""plink2 and plink 1.9 as judges of `genomed qc`, and cohorts with all that makes them differ.

plink2 prints six significant digits, plink 1.9 four. Seen with v2.00a3.5 and v1.90b6.26.
A call of two different alleles where a sample has one counts half an allele each in plink2's
frequencies; plink 1.9 and genomed leave it out. So frequencies are judged where there is none.
"""

import subprocess
from collections.abc import Sequence
from fractions import Fraction
from math import factorial, prod
from pathlib import Path

import numpy as np
import polars as pl
import polars.selectors as cs
from judges import tool

from genomed.settings import QcSettings
from genomed.steps.qc import QcInputs, QcSummary, run_qc

PRINTED = 6e-6  # relative: half a unit of the sixth digit
PRINTED_4 = 6e-4
SET_IDS = ("--set-all-var-ids", "@:#:$r:$a", "--new-id-max-allele-len", "900")
X_SHARES = (0.6, 0.3, 0.1)


def plink(program: str, folder: Path, *arguments: object) -> None:
    """Run plink2 or plink1.9 in `folder`, writing to ``out.*``."""
    command = [tool(program), *map(str, arguments), "--threads", "1", "--out", "out"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def table(path: Path) -> pl.DataFrame:
    """A table of plink's, whatever its blanks: text columns, # left out of the first name."""
    rows = [line.split() for line in path.read_text().splitlines()]
    names = [name.lstrip("#") for name in rows[0]]
    return pl.DataFrame(rows[1:], schema=dict.fromkeys(names, pl.Utf8), orient="row")


def numbers(values: pl.Series) -> np.ndarray:
    """float64; "nan", "NA" and null are NaN."""
    text = values.cast(pl.Utf8).replace(["nan", "NA"], [None, None])
    return text.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def assert_same(ours: pl.Series, theirs: pl.Series, tolerance: float = 0.0) -> None:
    """Equal, or within a relative tolerance; unknown in the same places."""
    np.testing.assert_allclose(
        numbers(ours), numbers(theirs), rtol=tolerance, atol=1e-300, err_msg=theirs.name
    )


def qc(
    cohort: Path, out: Path, settings: QcSettings | None = None, **inputs: object
) -> tuple[pl.DataFrame, pl.DataFrame, QcSummary]:
    """Run `genomed qc`; its tables of variants and of samples."""
    summary = run_qc(QcInputs(str(cohort), **inputs), out, settings or QcSettings(), threads=2)
    variants = pl.read_parquet(out / "variants.parquet")
    return variants, pl.read_parquet(out / "samples.parquet"), summary


def random_cohort(
    folder: Path, seed: int, *, het_haploids: bool, n_samples: int = 120, n_rows: int = 60
) -> Path:
    """A VCF and a .psam beside it: all chromosomes, both sexes and none, families, missing calls,
    variants that nobody has, everybody has, or nobody is called at."""
    rng = np.random.default_rng(seed)
    sex = rng.choice([1, 2, 0], n_samples, p=[0.45, 0.45, 0.1])
    names = [f"s{i}" for i in range(n_samples)]
    _write_psam(folder / "cohort.psam", names, sex, rng)
    lines = ["##fileformat=VCFv4.2", '##FORMAT=<ID=GT,Number=1,Type=String,Description="GT">']
    lines += [f"##contig=<ID={c}>" for c in ("1", "2", "X", "Y", "MT")]
    fixed = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    lines.append("\t".join([*fixed, *names]))
    for contig in ("1", "2", "X", "Y", "MT"):
        for row in range(n_rows):
            calls = _calls(rng, contig, sex, het_haploids)
            ref, alt = rng.choice([("A", "G"), ("C", "T"), ("A", "C"), ("G", "GTT"), ("CA", "C")])
            fixed = [contig, str(3_000_000 + 100 * row), f"{contig}_{row}", ref, alt, ".", ".", "."]
            lines.append("\t".join([*fixed, "GT", *calls]))
    path = folder / "cohort.vcf"
    path.write_text("\n".join(lines) + "\n")
    return path


def _write_psam(
    path: Path, names: Sequence[str], sex: np.ndarray, rng: np.random.Generator
) -> None:
    """Every third sample of the second half is a child of two samples of the first."""
    n = len(names)
    rows = ["#FID\tIID\tPAT\tMAT\tSEX\tPHENO1"]
    men = [names[i] for i in range(n // 2) if sex[i] == 1]
    women = [names[i] for i in range(n // 2) if sex[i] == 2]
    for i, name in enumerate(names):
        parents = ["0", "0"]
        if i >= n // 2 and i % 3 == 0:
            parents = [str(rng.choice(men)), str(rng.choice(women))]
        elif i == n - 1:
            parents = ["absent", "0"]
        status = str(rng.choice(["1", "2", "NA"]))
        rows.append("\t".join(["fam", name, *parents, str(sex[i] or "NA"), status]))
    path.write_text("\n".join(rows) + "\n")


def _calls(rng: np.random.Generator, contig: str, sex: np.ndarray, het_haploids: bool) -> list[str]:
    n = len(sex)
    p = rng.choice([0.0, 1.0, rng.random(), 0.5 * rng.random() ** 3], p=[0.1, 0.05, 0.4, 0.45])
    missing = rng.choice([0.0, 0.05, 0.5, 1.0], p=[0.3, 0.55, 0.1, 0.05])
    alleles = (rng.random((n, 2)) < p).astype(int)
    male = sex == 1
    haploid = {"X": male, "Y": np.ones(n, bool), "MT": np.ones(n, bool)}.get(
        contig, np.zeros(n, bool)
    )
    hets = haploid & (rng.random(n) < (0.05 if het_haploids else 0.0))
    calls = []
    for i in range(n):
        if rng.random() < missing or (contig == "Y" and not male[i] and rng.random() < 0.7):
            calls.append(str(rng.choice(["./.", "."])) if haploid[i] else "./.")
        elif hets[i]:
            calls.append("0/1")
        elif haploid[i]:
            a = alleles[i, 0]
            calls.append(str(rng.choice([f"{a}", f"{a}/{a}"])))
        else:
            calls.append(f"{alleles[i, 0]}/{alleles[i, 1]}")
    return calls


def n_ties_on_x(counts: Sequence[str]) -> int:
    """Tables exactly as likely as the one observed: females of 2, 1, 0 copies, males of 1, 0."""
    hom, het, other, male, male_other = map(int, counts)
    females, males = hom + het + other, male + male_other
    copies = 2 * hom + het + male

    def weight(m: int, h: int) -> Fraction:
        aa = (copies - m - h) // 2
        below = (m, males - m, aa, h, females - aa - h)
        return Fraction(2**h, prod(factorial(n) for n in below))

    observed = weight(male, het)
    n = 0
    for m in range(max(0, copies - 2 * females), min(copies, males) + 1):
        k = copies - m
        n += sum(weight(m, h) == observed for h in range(k & 1, min(k, 2 * females - k) + 1, 2))
    return n


class Plink2Tables:
    """What plink2 says of a fileset whose .psam knows sex and parents."""

    def __init__(self, folder: Path, *source: object) -> None:
        self.folder = folder
        asked = [
            "--freq", "--missing", "vcols=chrom,nmiss,nobs,fmiss,hethap",
            "--hardy", "--geno-counts", "--sample-counts",
            "cols=homref,homalt,het,ts,tv,single,missing,hapref,hapalt",
        ]  # fmt: skip
        plink("plink2", folder, *source, *asked, "--bad-freqs")
        for name in ("afreq", "vmiss", "smiss", "gcount", "scount"):
            setattr(self, name, table(folder / f"out.{name}"))
        self.het = None  # there is none without autosomes
        if (~self.afreq["CHROM"].is_in(["X", "Y", "MT"])).any():
            plink("plink2", folder, *source, "--het", "--bad-freqs")
            self.het = table(folder / "out.het")
        self.hardy = self._hardy()
        plink("plink2", folder, *source, "--hardy", "midp", "--bad-freqs")
        self.hardy_mid = self._hardy()

    def _hardy(self) -> pl.DataFrame:
        """P (or MIDP) and X's counts: autosomes first, then X."""
        found = []
        for ending in ("hardy", "hardy.x"):
            path = self.folder / f"out.{ending}"
            if path.exists():
                rows = table(path)
                name = next(n for n in ("MIDP", "P") if n in rows.columns)
                found.append(rows.select(cs.matches("FEMALE.*_CT|MALE_A.*_CT"), p=pl.col(name)))
                path.unlink()
        return pl.concat(found, how="diagonal")

    def judge(
        self, variants: pl.DataFrame, samples: pl.DataFrame, *, frequencies: bool = True
    ) -> None:
        """Compare every number that both have."""
        self._judge_counts(variants)
        if frequencies:
            assert_same(variants["alt_frequency"], self.afreq["ALT_FREQS"], PRINTED)
            assert_same(variants["allele_number"], self.afreq["OBS_CT"])
        self._judge_hardy(variants)
        self._judge_samples(samples)

    def _judge_counts(self, variants: pl.DataFrame) -> None:
        v, m, g = variants, self.vmiss, self.gcount
        observed = numbers(m["OBS_CT"])
        assert_same(v["n_called"], pl.Series(observed - numbers(m["MISSING_CT"])))
        with np.errstate(invalid="ignore"):
            rate = pl.Series(1 - numbers(m["F_MISS"])).fill_nan(None)
        np.testing.assert_allclose(numbers(v["call_rate"]), numbers(rate), atol=PRINTED)
        assert_same(v["n_het_haploid"], m["HETHAP_CT"])
        assert_same(v["n_hom_ref"], g["HOM_REF_CT"])
        assert_same(v["n_het"], g["HET_REF_ALT_CTS"])
        assert_same(v["n_hom_alt"], g["TWO_ALT_GENO_CTS"])
        assert_same(v["n_hap_ref"], g["HAP_REF_CT"])
        assert_same(v["n_hap_alt"], g["HAP_ALT_CTS"])

    def _judge_hardy(self, variants: pl.DataFrame) -> None:
        """plink2 prints P 1 and mid-P 0.5 where nobody is called; those are null here."""
        place = pl.col("place").cast(pl.Utf8)
        asked = pl.concat([variants.filter(place == name) for name in ("autosome", "X")])
        assert len(asked) == len(self.hardy)
        assert_same(asked["hwe_p"].fill_null(1.0), self.hardy["p"], 2e-5)
        ours = numbers(asked["hwe_mid_p"].fill_null(0.5))
        theirs = numbers(self.hardy_mid["p"])
        for row in np.flatnonzero(~np.isclose(ours, theirs, rtol=2e-5, atol=0)).tolist():
            # plink2 sometimes takes a table of X that is exactly as likely for a likelier one
            assert n_ties_on_x(self.hardy_mid.drop("p").row(row)) > 1

    def _judge_samples(self, samples: pl.DataFrame) -> None:
        s, c = samples, self.scount
        assert_same(s["n_eligible"], self.smiss["OBS_CT"])
        called = numbers(self.smiss["OBS_CT"]) - numbers(self.smiss["MISSING_CT"])
        assert_same(s["n_called"], pl.Series(called))
        for ours, theirs in (
            ("n_hom_ref", "HOM_REF_CT"),
            ("n_het", "HET_CT"),
            ("n_hom_alt", "HOM_ALT_CT"),
            ("n_hap_ref", "HAP_REF_CT"),
            ("n_hap_alt", "HAP_ALT_CT"),
            ("n_transition", "TRANSITION_CT"),
            ("n_transversion", "TRANSVERSION_CT"),
            ("n_singleton", "SINGLETON_CT"),
        ):
            assert_same(s[ours], c[theirs])
        if self.het is None:
            return
        assert_same(s["n_f"], self.het["OBS_CT"])
        assert_same(s["hom_observed"], self.het["O(HOM)"])
        assert_same(s["hom_expected"], self.het["E(HOM)"], PRINTED)
        np.testing.assert_allclose(numbers(s["f"]), numbers(self.het["F"]), rtol=PRINTED, atol=2e-6)
