# Runs from a fresh clone: snakemake --cores 2 --configfile workflows/config/config.yaml
# Every rule is one command of genomed and bears its name; there is no analysis in here.
# The configuration is always named: one read from here as well would be merged into yours.

from pathlib import Path
from snakemake.utils import min_version, validate

min_version("9.0")

validate(config, "workflows/schemas/config.schema.yaml")

RESULTS = config["results"]


wildcard_constraints:
    cohort="|".join(map(re.escape, config["cohorts"])),


include: "workflows/rules/risk.smk"


rule all:
    default_target: True
    input:
        expand("{results}/risk/{cohort}", results=RESULTS, cohort=config["cohorts"]),
