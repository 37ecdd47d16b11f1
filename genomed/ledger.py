"""What came in, what was kept, what was dropped, and why: one code per fate, explained once."""

__all__ = ["CONVERTED", "LENIENCIES", "QC_SAMPLES", "QC_VARIANTS", "REASONS", "STRUCTURE", "USED"]

# Fate of one model variant. The first group contributes to the score, the second does not.
REASONS = {
    "exact": "found with the effect allele as ALT",
    "swapped": "found with the effect allele as REF; dosage counted as ploidy minus ALT copies",
    "flipped": "found on the other strand with the effect allele as ALT",
    "flipped_swapped": "found on the other strand with the effect allele as REF",
    "hom_ref_called": "the record there has no such ALT and its calls are 0/0",
    "hom_ref_block": "inside a gVCF reference block of sufficient depth and quality",
    "reads_hom_ref": "absent from the file, proved hom-ref by reads",
    "reads_alternative": "absent from the file, but reads show another allele than the reference's "
    "in somebody: genotypes are those of the reads",
    "hom_ref_assumed": "absent from the file, taken as hom-ref because --assume-hom-ref was given",
    "imputed_reference": "absent from the file, filled in from a reference frequency",
    "absent": "no record at this position",
    "reads_no_coverage": "absent from the file, and reads there are too few, or too unlike each "
    "other, to prove anything",
    "alleles_differ": "a record is there, with other alleles",
    "ambiguous": "A/T or C/G: the strand cannot be told",
    "monomorphic_no_call": "a record is there, but nobody is called",
    "low_quality_block": "inside a reference block below the depth or quality threshold",
    "reference_unknown": "inside a gVCF reference block, but which allele is the reference base is "
    "not known; give --fasta",
    "duplicate_in_model": "the same variant and effect allele stood in the model before",
    "no_position": "the model gives no position in this build",
    "no_effect_allele": "the model gives no effect allele",
    "bad_alleles": "an allele is not made of A, C, G, T",
    "bad_weight": "the weight is not a finite number (or an odds or hazard ratio is not above 0)",
    "bad_effect_type": "an effect type other than additive, dominant, recessive or dosage, or two "
    "at once",
    "haplotype": "a haplotype or diplotype row; not a single variant",
    "interaction": "an interaction row; not a single variant",
    "conditional": "a row with an inclusion criterion that cannot be checked",
    "ploidy": "the record holds calls of more than two alleles",
    "outside_region": "outside the --region asked for",
}

USED = (
    "exact",
    "swapped",
    "flipped",
    "flipped_swapped",
    "hom_ref_called",
    "hom_ref_block",
    "reads_hom_ref",
    "reads_alternative",
    "hom_ref_assumed",
    "imputed_reference",
)

# Fate of one row of a conversion that is not stored as it stood. The first group is stored.
CONVERTED = {
    "aligned": "stored after trimming or moving it to the left",
    "ref_alt_swapped": "stored with REF and ALT exchanged, because the reference has ALT there",
    "ref_mismatch_kept": "stored although REF is not what the reference has there",
    "ref_mismatch": "dropped: REF is not what the reference has there",
    "contig_not_in_reference": "dropped: the reference has no such contig",
    "filter": "dropped: FILTER is not among the words asked for",
    "not_listed": "dropped: not in the list of --variants",
    "too_many_alleles": "dropped: its record has more alleles than --max-alleles",
    "missing": "dropped: more calls are missing than --max-missing allows",
    "few_copies": "dropped: fewer copies of ALT than --min-ac",
    "reference_block": "used: <NON_REF>, <*> or no ALT at all (a gVCF's reference blocks) proves "
    "calls of other rows, and is no row itself",
}

# Why a variant, and why a sample, does not pass `qc`; each that applies is named, the first counts.
QC_VARIANTS = {
    "no_calls": "nobody who can have a call has one",
    "low_call_rate": "fewer samples have a call than --min-call-rate asks for",
    "hwe": "genotypes are off Hardy-Weinberg equilibrium (--hwe-p)",
    "mendel": "more Mendel errors than --max-variant-mendel allows",
    "differential_missingness": "calls are missing in cases and controls unequally (--missing-p)",
    "rare": "the minor allele is rarer than --min-maf",
}
QC_SAMPLES = {
    "no_calls": "no variant has a call",
    "low_call_rate": "fewer variants have a call than --min-sample-call-rate asks for",
    "sex_mismatch": "the calls on X (and Y) are of the other sex than the one declared",
    "mendel": "a child with more Mendel errors than --max-sample-mendel allows",
    "outlier": "far from its group in a column of --outlier-columns (--outlier)",
}

# Fate of one variant of `structure`: the first that applies. The first is used for components, and
# each step uses those that came as far as it needs.
STRUCTURE = {
    "kept": "used for principal components",
    "not_autosomal": "not on chromosomes 1 to 22: left out of every step",
    "several_alts": "more than one ALT in its record: left out of every step; `genomed convert` "
    "splits them",
    "repeated": "the same position and alleles as a row before: left out of every step",
    "low_call_rate": "fewer samples have a call than --min-call-rate asks for: left out of every "
    "step",
    "low_maf": "minor allele frequency among founders below --min-maf: used for diversity",
    "unclear_strand": "A/T, C/G, or not plain bases, whose strand elsewhere cannot be told: not "
    "used by a reference",
    "long_range_ld": "in a region of long-range LD: used for kinship, runs of homozygosity and "
    "diversity",
    "in_ld": "correlated with a variant that was kept: used for kinship, runs of homozygosity and "
    "diversity",
    "no_plain_alleles": "an allele that is not spelt with A, C, G and T: no model learns from it",
}

# Things a reader accepts although the specification, or good custom, says otherwise. Each is
# counted in run.json, so nothing is forgiven silently.
LENIENCIES = {
    "half_call": "a call with one missing allele (./1): counted as not called",
    "contig_undeclared": "a contig without a ##contig header line",
    "unsorted": "records not in order of position",
    "contig_split": "records of one contig in several places of the file",
    "duplicate_position": "several records at one position",
    "crlf": "lines that end in CR LF",
    "no_final_newline": "the last line has no end",
    "not_decoded": "records at no model locus: only CHROM, POS, REF and the line's end were looked "
    "at",
    "not_checked": "records whose QUAL, FILTER and INFO (but for END) were not looked at, under a "
    "header of which only ##contig and the columns were: nothing of the rest enters a score",
    "no_fileformat": "the first line is not ##fileformat",
    "not_utf8": "text that is not UTF-8; undecodable bytes are shown as \\xNN",
    "allele_without_alt": "a call of an ALT on a line that names none (ALT '.'): counted as not "
    "called",
    "low_quality_block": "calls of a reference block below --min-block-depth or "
    "--min-block-quality: counted as not called",
    "low_quality_call": "calls below --min-dp or --min-gq: counted as not called",
    "seeked": "read through the index: only the parts of the file that can hold a wanted record "
    "were looked at",
    "iid_repeated": "IIDs that occur twice: samples are named FID_IID (or IID_SID) instead",
}
