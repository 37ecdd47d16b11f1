# Runs from a fresh clone: snakemake --cores 2 --configfile workflows/config/config.yaml
# Every rule is one command of genomed and bears its name; there is no analysis in here.
# The configuration is always named: one read from here as well would be merged into yours.

import sys
from pathlib import Path
from shutil import which
from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version, validate

min_version("9.0")

HERE = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))
sys.path.insert(0, str(HERE / "workflows"))
import checks

# Jobs on other machines need not ask again, and rules can be looked at without a configuration.
if workflow.is_main_process and "--lint" not in sys.argv:
    if not config:
        raise WorkflowError("There is no configuration; name one: --configfile FILE")
    found = checks.twice(workflow.configfiles) + checks.problems(config, Path.cwd())
    if not (which("genomed") or workflow.deployment_settings.deployment_method):
        found.append(
            "genomed is not on the PATH; activate its environment, or --sdm conda"
        )
    if found:
        raise WorkflowError("\n".join(["The configuration cannot run:", *found]))
validate(config, "workflows/schemas/config.schema.yaml")
if not workflow.is_main_process:  # or jobs try again within, with the memory they have
    config["retries"] = 0

RESULTS = config["results"]
TARGETS = []  # every file of rules adds what it makes


include: "workflows/rules/common.smk"
include: "workflows/rules/reads_qc.smk"
include: "workflows/rules/reads_call.smk"
include: "workflows/rules/convert.smk"
include: "workflows/rules/qc.smk"
include: "workflows/rules/structure.smk"
include: "workflows/rules/train.smk"
include: "workflows/rules/risk.smk"
include: "workflows/rules/evaluate.smk"
include: "workflows/rules/explain.smk"
include: "workflows/rules/report.smk"


rule all:
    default_target: True
    input:
        TARGETS,
