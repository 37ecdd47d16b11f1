# How sections of the configuration become words of a command line.


def options(section):
    """Words of the command line for the options of a section: min_maf: 0.05 is --min-maf 0.05."""
    words = []
    for name, value in config[section]["options"].items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif value is not False:
            for one in value if isinstance(value, list) else [value]:
                words += [option, str(one)]
    return words


def given(section, *names):
    """Words for the options of a section that are files or names, without those that are empty."""
    chosen = config[section]
    return [
        word for name in names if chosen[name] for word in (f"--{name}", chosen[name])
    ]


def files(section, *names):
    """Those of them that are files here: a name may also stand in the library, or end in :COLUMN."""
    paths = [config[section][name].partition(":")[0] for name in names]
    return [path for path in paths if path and Path(path).is_file()]


def scored(wildcards):
    """What risk reads: a cohort as it came, for a store keeps less; of several files, the store."""
    cohort = config["cohorts"][wildcards.cohort]
    if isinstance(cohort, str):
        return [cohort]
    return [
        STORE.format(cohort=wildcards.cohort) + end
        for end in (".pgen", ".pvar", ".psam")
    ]
