"""The dictionary of tables: every column of every table that a command writes."""

from genomed.tables import convert, evaluate, explain, qc, reads, risk, structure, train

__all__ = ["TABLES"]

# Columns of every table a command writes: name -> meaning. Order is the order in the file.
TABLES: dict[str, dict[str, str]] = {
    "variants": {
        "contig": "sequence name as the file spells it",
        "position": "1-based position as in VCF",
        "id": "variant ID, null where the file has '.'",
        "ref": "reference allele, upper case",
        "alt": "this row's ALT, upper case; '.' for a record without ALT; '<NON_REF>', '<*>', "
        "'<DEL>', '*' and so on for symbolic alleles",
        "end_position": "last position covered (1-based, inclusive): POS + len(REF) - 1, or "
        "INFO/END of a reference block",
        "n_alts": "number of ALTs in the record this row came from",
        "line": "1-based line of a text file, or record number of a binary one",
    },
    **risk.TABLES,
    **qc.TABLES,
    **structure.TABLES,
    **train.TABLES,
    **evaluate.TABLES,
    **explain.TABLES,
    **reads.TABLES,
    **convert.TABLES,
}
