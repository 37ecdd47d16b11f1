"""Reads against the haplotypes of a site's alleles: which reads cover which sites, and how they fit."""
