# Runs from a fresh clone: snakemake --cores 2 --configfile workflows/config/config.yaml
# Every rule is one command of genomed and bears its name; there is no analysis in here.
# The configuration is always named: one read from here as well would be merged into yours.

from pathlib import Path
from snakemake.utils import min_version, validate

min_version("9.0")

validate(config, "workflows/schemas/config.schema.yaml")

RESULTS = config["results"]
TARGETS = []  # every file of rules adds what it makes


wildcard_constraints:
    cohort="|".join(map(re.escape, config["cohorts"])),
    trait="[^/]+",


include: "workflows/rules/common.smk"
include: "workflows/rules/convert.smk"
include: "workflows/rules/qc.smk"
include: "workflows/rules/structure.smk"
include: "workflows/rules/train.smk"
include: "workflows/rules/risk.smk"
include: "workflows/rules/evaluate.smk"
include: "workflows/rules/explain.smk"


rule all:
    default_target: True
    input:
        TARGETS,
