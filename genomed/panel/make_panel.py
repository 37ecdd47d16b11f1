"""Write the bundled panel: four small scoring files, made from the cited facts below.

    python genomed/panel/make_panel.py [DIRECTORY]

Each file is in the PGS Catalog's scoring file format 2.0 and holds the positions on both builds:
chr_name and chr_position on GRCh37, hm_chr and hm_pos on GRCh38. Alleles are those of the forward
strand of the reference. Weights are natural logarithms of published odds ratios. The header of
each file says where every kind of fact was looked up; a frequency that no source proves is left
empty. Nothing here depends on the date or the machine, so the bytes are always the same.
"""

import math
import sys
from pathlib import Path
from typing import NamedTuple


class Variant(NamedTuple):
    """One cited variant; alleles on the forward strand, positions 1-based."""

    rsid: str
    contig: str
    grch37: int
    grch38: int
    effect_allele: str
    other_allele: str
    odds_ratio: str  # as published, per copy or as `inheritance` says
    locus: str
    frequency: str = ""  # of the effect allele, as "copies/alleles" or a published number
    frequency_source: str = ""
    interval: tuple[str, str] = ("", "")  # published 95% confidence interval of the odds ratio
    note: str = ""


class Model(NamedTuple):
    """One scoring file: its header lines in order, then its variants."""

    file_name: str
    header: dict[str, str]
    variants: tuple[Variant, ...]
    recessive: bool = False


# rsID contig GRCh37 GRCh38 effect other OR locus [frequency source]
_BREAST_CANCER = """
rs78540526 11 69331418 69516650 T C 1.1761 CCND1
rs75915166 11 69379161 69564393 A C 1.0239 CCND1
rs554219 11 69331642 69516874 G C 1.1238 CCND1
rs7726159 5 1282319 1282204 A C 1.0359 TERT
rs10069690 5 1279790 1279675 T C 1.0242 TERT 0.26 PMID:29058716
rs2736108 5 1297488 1297373 T C 0.9379 TERT
rs2588809 14 68660428 68193711 T C 1.0667 RAD51L1
rs999737 14 69034682 68567965 T C 0.9239 RAD51L1 0.23 PMID:29058716
rs10759243 9 110306115 107543834 A C 1.0542 9q31.2
rs865686 9 110888478 108126198 G T 0.8985 9q31 0.39 PMID:21263130
rs2981579 10 123337335 121577821 A G 1.2524 FGFR2 0.42 PMID:20453838
rs11199914 10 123093901 121334387 T C 0.94 10q26.12
rs7072776 10 22032942 21744013 A G 1.0581 DNAJC1
rs11814448 10 22315843 22026914 C A 1.218 DNAJC1
rs13387042 2 217905832 217041109 G A 0.8794 2q35 0.51 PMID:20453838
rs16857609 2 218296508 217431785 T C 1.0721 2q35 0.26 PMID:29058716
rs11552449 1 114448389 113905767 T C 1.081 1p13.2
rs11249433 1 121280613 121538815 G A 1.0993 1p11.2 0.39 PMID:19330030
rs1045485 2 202149589 201284866 C G 0.9644 CASP8 85/674 1000G-EUR-exonic
rs4973768 3 27416013 27374522 T C 1.0938 SLC4A7
rs10941679 5 44706498 44706396 G A 1.1198 5p12
rs889312 5 56031884 56736057 C A 1.1176 MAP3K1 0.28 PMID:20453838
rs12662670 6 151918856 151597721 G T 1.1392 ESR1
rs2046210 6 151948366 151627231 A G 1.0471 ESR1
rs13281615 8 128355618 127343372 G A 1.095 8q24
rs1011970 9 22062134 22062135 T G 1.0502 CDKN2A/B 0.17 PMID:20453838
rs2380205 10 5886734 5844771 T C 0.9771 ANKRD16
rs10995190 10 64278682 62518923 A G 0.8563 ZNF365 0.15 PMID:20453838
rs704010 10 80841148 79081391 T C 1.0699 ZMIZ1 0.39 PMID:20453838
rs3817198 11 1909006 1887776 C T 1.0744 LSP1 35/126 1000G-EUR-CGI
rs10771399 12 28155080 28002147 G A 0.8629 PTHLH
rs1292011 12 115836522 115398717 G A 0.9219 12q24 49/126 1000G-EUR-CGI
rs3803662 16 52586341 52552429 A G 1.2257 TOX3 0.26 PMID:20453838
rs6504950 17 53056471 54979110 A G 0.934 COX11
rs8170 19 17389704 17278895 A G 1.0314 19p13
rs2363956 19 17394124 17283315 T G 1.0264 19p13
rs2823093 21 16520832 15148511 A G 0.9274 NRIP1
rs17879961 22 29121087 28725099 G A 1.3632 CHEK2_I157T 0.0025 PMID:24880342
rs616488 1 10566215 10506158 G A 0.9417 PEX14 0.33 PMID:29058716
rs4849887 2 121245122 120487546 T C 0.9187 2q14.2 0.10 PMID:29058716
rs2016394 2 172972971 172108243 A G 0.9504 2q31.1
rs1550623 2 174212894 173348166 G A 0.9445 CDCA7
rs6762644 3 4742276 4700592 G A 1.0661 3p26.2
rs12493607 3 30682939 30641447 C G 1.0529 TGFBR2
rs9790517 4 106084778 105163621 T C 1.0481 TET2
rs6828523 4 175846426 174925275 A C 0.9056 ADAM29
rs10472076 5 58184061 58888234 C T 1.0419 RAB3C
rs1353747 5 58337481 59041654 G T 0.9213 PDE4D
rs1432679 5 158244083 158817075 C T 1.067 EBF1 0.43 PMID:29058716
rs11242675 6 1318878 1318643 C T 0.9429 FOXQ1
rs204247 6 13722523 13722291 G A 1.0503 RANBP1
rs17529111 6 82128386 81418669 C T 1.0457 6q14.1 223/1006 1000G-EUR
rs720475 7 144074929 144377836 A G 0.9452 7q35
rs9693444 8 29509616 29652100 A C 1.073 8p21.1
rs6472903 8 76230301 75318066 G T 0.9124 8q21.11 165/1006 1000G-EUR
rs2943559 8 76417937 75505702 G A 1.1334 HNF4G
rs11780156 8 129194641 128182395 T C 1.0691 8q24.21
rs7904519 10 114773927 113014168 G A 1.0584 TCF7L2 0.46 PMID:29058716
rs3903072 11 65583066 65815595 T G 0.9442 11q13.1
rs11820646 11 129461171 129591276 T C 0.9563 11q24.3
rs12422552 12 14413931 14260997 C G 1.0327 12p13.1
rs17356907 12 96027759 95633983 G A 0.9078 NTN4 0.30 PMID:29058716
rs11571833 13 32972626 32398489 T A 1.2609 BRCA2 0.01 PMID:29058716
rs2236007 14 37132769 36663564 A G 0.9203 PAX9
rs941764 14 91841069 91374725 G A 1.0636 CCDC88C
rs17817449 16 53813367 53779455 G T 0.93 FTO 0.41 PMID:29058716
rs13329835 16 80650805 80616908 G A 1.0758 CDYL2
rs527616 18 24337424 26757460 C G 0.9573 18q11.2
rs1436904 18 24570667 26990703 G T 0.9466 CHST9
rs4808801 19 18571141 18460331 G A 0.9349 SSBP4
rs3760982 19 44286513 43782361 A G 1.0553 19q13.31 0.46 PMID:29058716
rs132390 22 29621477 29225488 C T 1.1091 22q12.2
rs6001930 22 40876234 40480230 C T 1.1345 MKL1 0.10 PMID:29058716
rs4245739 1 204518842 204549714 C A 1.0291 MDM4 0.26 PMID:29058716
rs6678914 1 202187176 202218048 A G 0.989 LGR6 0.41 PMID:29058716
rs12710696 2 19320803 19121042 A G 1.0387 2p24.1
rs11075995 16 53855291 53821379 T A 1.0368 FTO
"""

_REVERSED = "published as G/A, which is the reverse strand; given here on the forward strand"
_NOTES = {
    "rs1432679": _REVERSED,
    "rs17529111": _REVERSED,
    "rs11075995": "T as published; A/T, so its strand cannot be told, and the GWAS Catalog "
    "(PMID:29058716) gives A as the risk allele",
}

_FREQUENCIES = (
    "Europeans; 1000G-EUR = allele counts of CEU FIN GBR IBS TSI in 1000 Genomes phase 3 (as "
    "shipped with aeon-ancestry 1.0.2); 1000G-EUR-exonic = called genotypes of 337 EUR people of "
    "1000 Genomes phase 3 (as shipped with peddy 0.4.8); 1000G-EUR-CGI = 63 EUR people of the "
    "Complete Genomics 1000 Genomes call set; PMID = GWAS Catalog, allele frequency of that "
    "European-ancestry study; empty = not proved by any of these"
)
_FACTS_LICENCE = (
    "the figures are facts from the cited publications; check the publisher's terms before "
    "redistributing more than these"
)


def _breast_cancer_variants() -> tuple[Variant, ...]:
    variants = []
    for line in _BREAST_CANCER.split("\n")[1:-1]:
        rsid, contig, grch37, grch38, effect, other, odds_ratio, locus, *known = line.split()
        frequency, source = known or ("", "")
        variants.append(
            Variant(
                rsid,
                contig,
                int(grch37),
                int(grch38),
                effect,
                other,
                odds_ratio,
                locus.replace("_", " "),
                frequency,
                source,
                note=_NOTES.get(rsid, ""),
            )
        )
    return tuple(variants)


def models() -> tuple[Model, ...]:
    """The four models of the panel, in the order of their file names."""
    return (_apoe(), _thrombosis(), _haemochromatosis(), _breast_cancer())


def _breast_cancer() -> Model:
    header = {
        "pgs_id": "PGS000001",
        "pgs_name": "PRS77_BC",
        "trait_reported": "Breast cancer",
        "trait_mapped": "breast carcinoma",
        "trait_efo": "EFO_0000305",
        "citation": "Mavaddat N et al. J Natl Cancer Inst 107(5):djv036 (2015). "
        "doi:10.1093/jnci/djv036",
        "ancestry_discovery": "European (Breast Cancer Association Consortium)",
        "license": "article CC BY (open access); PGS Catalog: cite the publication and the "
        "catalogue",
        "weight_note": "natural logarithm of the published odds ratio per copy",
        "source_checked_weights": "PGS Catalog PGS000001.txt and its two harmonised files; "
        "supplementary table 4 of the article, as transcribed in bioedca/Yeliztli",
        "source_checked_positions": "PGS Catalog PGS000001_hmPOS_GRCh37 and _hmPOS_GRCh38; each "
        "maps to the other through UCSC hg19ToHg38.over.chain and hg38ToHg19.over.chain, plus "
        "strand",
        "source_checked_alleles": "PGS Catalog PGS000001.txt; strand against Ensembl's forward "
        "alleles as two public test suites state them (rs1432679 and rs17529111 are the only "
        "non-palindromic rows published on the reverse strand), and 1000 Genomes phase 3 "
        "(rs17529111), GWAS Catalog (rs1432679)",
        "allelefrequency_population": _FREQUENCIES,
    }
    return Model("PGS000001.txt", header, _breast_cancer_variants())


def _apoe() -> Model:
    header = {
        "pgs_name": "APOE",
        "trait_reported": "Alzheimer disease, late onset",
        "trait_efo": "EFO_1001870",
        "citation": "Farrer LA et al. JAMA 278(16):1349-56 (1997). "
        "doi:10.1001/jama.1997.03550160069041",
        "ancestry_discovery": "European ('Caucasian', clinic- or autopsy-based studies)",
        "license": _FACTS_LICENCE,
        "weight_note": "natural logarithm of the odds ratio of e3/e4 (rs429358 C) and of e2/e3 "
        "(rs7412 T) against e3/e3, used per copy; so e4/e4 is given 3.2 x 3.2 = 10.2 (published "
        "14.9, 10.8-20.6) and e2/e4 1.9 (published 2.6, 1.6-4.0)",
        "source_checked_weights": "abstract at ResearchGate and at typeset.io; PMID 10325447, "
        "another meta-analysis of cases over 65, gives 3.18 (2.93-3.45) per e4 and 0.68 "
        "(0.58-0.80) per e2",
        "source_checked_positions": "pypgx variant-table.csv; ClinVar 2017-04-04 (GRCh37); GWAS "
        "Catalog (GRCh38)",
        "source_checked_alleles": "pypgx variant-table.csv; ClinVar 2017-04-04; UniProt P02649 "
        "p.Cys130Arg (e4) and p.Arg176Cys (e2)",
        "allelefrequency_population": _FREQUENCIES,
    }
    e4 = Variant(
        *("rs429358", "19", 45411941, 44908684, "C", "T", "3.2", "APOE"),
        *("100/674", "1000G-EUR-exonic", ("2.8", "3.8"), "p.Cys130Arg; C marks e4"),
    )
    e2 = Variant(
        *("rs7412", "19", 45412079, 44908822, "T", "C", "0.6", "APOE"),
        *("45/674", "1000G-EUR-exonic", ("0.5", "0.8"), "p.Arg176Cys; T marks e2"),
    )
    return Model("APOE.txt", header, (e4, e2))


def _thrombosis() -> Model:
    header = {
        "pgs_name": "F5_F2",
        "trait_reported": "Venous thromboembolism",
        "trait_efo": "EFO_0004286",
        "citation": "Emmerich J et al. Thromb Haemost 86(3):809-16 (2001). "
        "doi:10.1055/s-0037-1616136",
        "ancestry_discovery": "not stated in the abstract (8 pooled case-control studies)",
        "license": _FACTS_LICENCE,
        "weight_note": "natural logarithm of the odds ratio of carriers, used per copy; carrying "
        "one of each is given 4.9 x 3.8 = 18.6 (published 20.0, 11.1-36.1)",
        "source_checked_weights": "abstract at scilit.com, at Lund University Publications and at "
        "the Unicamp repository; PMID 23900608, a later pooled analysis, gives 4.22 (3.35-5.32) "
        "and 2.79 (2.25-3.46) for one copy, 11.45 (6.79-19.29) and 6.74 (2.19-20.72) for two, and "
        "3.42 (1.64-7.13) for one of each",
        "source_checked_positions": "pypgx variant-table.csv; ClinVar 2017-04-04 and 1000 Genomes "
        "(rs6025); UCSC chains in both directions",
        "source_checked_alleles": "pypgx variant-table.csv; ClinVar 2017-04-04 (rs6025: the GRCh37 "
        "reference is T, the Leiden allele itself, the GRCh38 reference is C); tables of two "
        "public repositories (F2: G to A)",
        "allelefrequency_population": _FREQUENCIES,
    }
    leiden = Variant(
        *("rs6025", "1", 169519049, 169549811, "T", "C", "4.9", "F5"),
        *("9/674", "1000G-EUR-exonic", ("4.1", "5.9")),
        "factor V Leiden, p.Arg534Gln (R506Q); the gene is on the reverse strand",
    )
    prothrombin = Variant(
        *("rs1799963", "11", 46761055, 46739505, "A", "G", "3.8", "F2"),
        *("", "", ("3.0", "4.9"), "prothrombin G20210A; the gene is on the forward strand"),
    )
    return Model("F5_F2.txt", header, (leiden, prothrombin))


def _haemochromatosis() -> Model:
    header = {
        "pgs_name": "HFE",
        "trait_reported": "Haemochromatosis, diagnosed, in men aged 40 to 70",
        "citation": "Pilling LC et al. BMJ 364:k5222 (2019). doi:10.1136/bmj.k5222",
        "ancestry_discovery": "European (UK Biobank)",
        "license": "article CC BY (open access)",
        "weight_note": "natural logarithm of the odds ratio of homozygotes against people without "
        "the allele, in men; recessive, so one copy counts nothing. By the end of follow-up 21.7% "
        "of homozygous men and 9.8% of homozygous women had the diagnosis",
        "source_checked_weights": "abstract at fabresearch.org in full, at bmj.com and a PubMed "
        "mirror as far as the sentence of the odds ratio; doi:10.1136/bmjopen-2023-081926 gives "
        "12.1% of homozygous men diagnosed at baseline in the same cohort",
        "source_checked_positions": "ClinVar 2017-04-04 (GRCh37); GWAS Catalog and 1000 Genomes "
        "(GRCh38); UCSC chains in both directions",
        "source_checked_alleles": "ClinVar 2017-04-04 (G to A); 1000 Genomes (G to A); UniProt "
        "Q30201 p.Cys282Tyr; the gene is on the forward strand",
        "allelefrequency_population": _FREQUENCIES,
    }
    cys282tyr = Variant(
        *("rs1800562", "6", 26093141, 26092913, "A", "G", "411.1", "HFE"),
        *("28/674", "1000G-EUR-exonic", ("299.0", "565.3"), "p.Cys282Tyr"),
    )
    return Model("HFE.txt", header, (cys282tyr,), recessive=True)


def scoring_file(model: Model) -> str:
    """Text of one scoring file, lines ending in a line feed."""
    head = {"format_version": "2.0", **model.header}
    head["weight_type"] = "beta"
    head["genome_build"] = "GRCh37"
    head["HmPOS_build"] = "GRCh38"
    head["variants_number"] = str(len(model.variants))
    lines = ["###PGS CATALOG SCORING FILE FORMAT, written by genomed/panel/make_panel.py"]
    lines += [f"#{key}={value}" for key, value in head.items()]
    rows = [_row(variant, model.recessive) for variant in model.variants]
    columns = [column for column in rows[0] if any(row[column] for row in rows)]
    lines.append("\t".join(columns))
    lines += ["\t".join(row[column] for column in columns) for row in rows]
    return "\n".join(lines) + "\n"


def _row(variant: Variant, recessive: bool) -> dict[str, str]:
    """Column -> text; a column that is empty in every row is left out of the file."""
    lower, upper = variant.interval
    return {
        "rsID": variant.rsid,
        "chr_name": variant.contig,
        "chr_position": str(variant.grch37),
        "effect_allele": variant.effect_allele,
        "other_allele": variant.other_allele,
        "effect_weight": f"{math.log(float(variant.odds_ratio)):.12f}",
        "is_recessive": "True" if recessive else "",
        "locus_name": variant.locus,
        "OR": variant.odds_ratio,
        "OR_95CI_lower": lower,
        "OR_95CI_upper": upper,
        "allelefrequency_effect": _frequency(variant.frequency),
        "allelefrequency_source": _frequency_source(variant),
        "variant_description": variant.note,
        "hm_source": "published",
        "hm_rsID": variant.rsid,
        "hm_chr": variant.contig,
        "hm_pos": str(variant.grch38),
    }


def _frequency(text: str) -> str:
    copies, slash, alleles = text.partition("/")
    return f"{int(copies) / int(alleles):.4f}" if slash else text


def _frequency_source(variant: Variant) -> str:
    counted = f" {variant.frequency}" if "/" in variant.frequency else ""
    return variant.frequency_source + counted


def main(directory: Path) -> None:
    """Write the files of the panel into `directory`."""
    for model in models():
        (directory / model.file_name).write_text(scoring_file(model), encoding="utf-8", newline="")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
