"""Columns of the tables that `genomed convert` writes; see genomed.tables."""

__all__ = ["TABLES"]

TABLES: dict[str, dict[str, str]] = {
    "convert_ledger": {
        "input": "file the row came from",
        "line": "line (or record number) of the record in it",
        "contig": "sequence name as the file spells it",
        "position": "1-based position in the file",
        "id": "variant ID, null where the file has '.'",
        "ref": "reference allele in the file",
        "alt": "this row's ALT in the file",
        "fate": "code of genomed.ledger.CONVERTED",
        "stored": "position:ref:alt in the store, null for a dropped row",
    },
}
