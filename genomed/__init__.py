"""genomed: from VCF and BAM to disease-risk scores that can be trusted.

errors settings schema          what everything else may use
regions ledger provenance       coordinates; what was dropped and why; what made a file
io                              files <-> batches
kernels stats features models   arrays -> numbers
scores report                   numbers per sample; tables, figures, one HTML page
steps                           one function per command
cli                             one file per command
"""

__version__ = "0.1.0"
