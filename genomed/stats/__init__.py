"""Genotypes to numbers per variant, sample, pair or group; nothing here reads or writes files."""
