# One model for each trait, learned in one cohort: results/models/TRAIT.zip.
MODEL = f"{RESULTS}/models/{{trait}}"
TRAITS = config["train"]["trait"]
LEARNED_IN = config["train"]["cohort"] or next(iter(config["cohorts"]), "")
TRAINED = expand(f"{MODEL}.zip", trait=TRAITS)
TARGETS += TRAINED


rule train:
    input:
        store=multiext(expand(CLEAN, cohort=LEARNED_IN)[0], ".pgen", ".pvar", ".psam"),
        tables=files("train", "traits", "covariates", "groups", "relatives"),
    output:
        model=f"{MODEL}.zip",
        predictions=f"{MODEL}.training/predictions.tsv.gz",
    log:
        f"{RESULTS}/logs/train/{{trait}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train/{{trait}}.tsv"
    retries: config["retries"]
    conda:
        "../envs/genomed.yaml"
    threads: config["threads"]
    resources:
        mem_mb=needs("train", "mem_mb"),
        runtime=needs("train", "runtime_minutes"),
        disk_mb=needs("train", "disk_mb"),
        gpu=config["train"]["gpu"],
    params:
        options=given("train", "traits", "covariates", "groups", "relatives")
        + options("train"),
    shell:
        "genomed train {input.store[0]:q} --trait {wildcards.trait:q} --out {output.model:q}"
        " {params.options:q} --threads {threads} > {log:q} 2>&1"
