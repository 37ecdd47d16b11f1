# Who and what there is to work on, and how sections of the configuration become words of a command.

SAMPLES = checks.sheet(config["samples"]) if config["samples"] else []
READS = {row["sample"]: row["reads"] for row in SAMPLES}
COHORTS = dict(config["cohorts"])  # reads_call adds what it calls


def alternatives(names):
    """A pattern of wildcards that holds these names and no other."""
    return "|".join(map(re.escape, names)) or "[^/]+"


wildcard_constraints:
    cohort=alternatives(COHORTS | {config["reads_call"]["cohort"]: []}),
    trait=alternatives(config["train"]["trait"]),
    sample=alternatives(row["sample"] for row in SAMPLES),
    contig="[^/]+",
    part="[^/]+",


def words(chosen):
    """Words of the command line: min_maf: 0.05 is --min-maf 0.05."""
    found = []
    for name, value in chosen.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            found.append(option)
        elif value is not False:
            for one in value if isinstance(value, list) else [value]:
                found += [option, str(one)]
    return found


def options(section):
    """Words for the options of a section."""
    return words(config[section]["options"])


def given(section, *names):
    """Words for the options of a section that are files or names, without those that are empty."""
    chosen = config[section]
    return [
        word for name in names if chosen[name] for word in (f"--{name}", chosen[name])
    ]


def fasta(*option):
    """The reference genome, if there is one, behind the option that it is for."""
    return [*option, config["fasta"]] if config["fasta"] else []


def files(section, *names):
    """Files of a section, its options too: a value may also be a name, or end in :COLUMN."""
    values = [config[section][name] for name in names]
    values += config[section].get("options", {}).values()
    paths = [str(value).partition(":")[0] for value in values]
    return [path for path in paths if path and Path(path).is_file()]


def needs(rule, key, section=None):
    """A resource of a rule's jobs: as planned, or as its section has it; more in every attempt.

    `genomed plan` tells by rule, and there by the value of a wildcard; or * for all jobs.
    """
    plan = config["planned"].get(rule, {})
    default = config[section or rule].get(key, 1000)

    def amount(wildcards, attempt):
        for name in (*wildcards, "*"):
            if key in plan.get(name, {}):
                return attempt * plan[name][key]
        return attempt * default

    return amount


def own_memory(wildcards, resources):
    """What the command may use of its job's memory: on a cluster, Snakemake takes 200 MB of it."""
    return f"{max(resources.mem_mb - 200, 100)}M"


def companions(paths):
    """Files that belong to the files of a cohort: a .pgen has its .pvar and .psam."""
    return [str(file) for path in paths for file in checks.headers.companions(path)]


def to_convert(wildcards):
    """What becomes the store of a cohort: its files, or the stores of its parts."""
    parts, given = PARTS[wildcards.cohort], COHORTS[wildcards.cohort]
    stores = expand(PART + ".pgen", cohort=wildcards.cohort, part=parts)
    return stores or ([given] if isinstance(given, str) else given)


def convert_options(wildcards):
    """Options of a conversion; of one that gathers, those that say what to keep of a store."""
    if wildcards.cohort not in config["cohorts"]:
        return ["--gvcf"]
    if not PARTS[wildcards.cohort]:
        return options("convert")
    kept = ("phase", "dosage", "info", "zst")
    chosen = config["convert"]["options"]
    return words({name: value for name, value in chosen.items() if name in kept})


def scored(wildcards):
    """What risk reads: a cohort as it came, for a store keeps less; of several files, the store."""
    cohort = COHORTS[wildcards.cohort]
    if isinstance(cohort, str):
        return [cohort, *companions([cohort])]
    store = STORE.format(cohort=wildcards.cohort)
    return [store + end for end in (".pgen", ".pvar", ".psam")]


def reads_of(cohort):
    """Sample -> its reads, of those that fill gaps in a cohort; those called alone fill theirs."""
    own = config["reads_call"]["cohort"] if config["reads_call"]["run"] else None
    return {
        row["sample"]: row["reads"]
        for row in SAMPLES
        if row.get("cohort", own) == cohort
    }


def indexed(reads):
    """Alignments with their index."""
    ends = (".crai", ".bai", ".csi")
    index = checks.headers.index_beside(Path(reads), *ends)
    return [reads] + [str(index)] * (index is not None)
