RISK = config["risk"]
TARGETS += expand(f"{RESULTS}/risk/{{cohort}}", cohort=COHORTS)


rule risk:
    input:
        cohort=scored,
        models=[model for model in RISK["models"] if Path(model).exists()] + TRAINED,
        reads=lambda wildcards: [
            file
            for reads in reads_of(wildcards.cohort).values()
            for file in indexed(reads)
        ],
        files=files("risk", "reference", "covariates", "groups") + fasta(),
    output:
        directory(f"{RESULTS}/risk/{{cohort}}"),
    log:
        f"{RESULTS}/logs/risk/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/risk/{{cohort}}.tsv"
    retries: config["retries"]
    conda:
        "../envs/genomed.yaml"
    threads: config["threads"]
    resources:
        mem_mb=needs("risk", "mem_mb"),
        runtime=needs("risk", "runtime_minutes"),
        disk_mb=needs("risk", "disk_mb"),
    params:
        max_memory=own_memory,
        accepted=4 if RISK["unscored"] == "report" else 0,
        models=[
            word for model in RISK["models"] + TRAINED for word in ("--model", model)
        ],
        min_weighted_coverage=RISK["min_weighted_coverage"],
        ambiguous=RISK["ambiguous"],
        missing=RISK["missing"],
        dosage_field=lambda wildcards: (
            RISK["dosage_field"] if wildcards.cohort in config["cohorts"] else "GT"
        ),
        assume_hom_ref=["--assume-hom-ref"] if RISK["assume_hom_ref"] else [],
        reads=lambda wildcards: [
            word
            for sample, reads in reads_of(wildcards.cohort).items()
            for word in ("--reads", f"{sample}={reads}")
        ],
        options=fasta("--fasta")
        + given("risk", "reference", "covariates", "groups")
        + options("risk"),
    shell:
        "genomed risk {input.cohort[0]:q} {params.models:q} --out {output:q}"
        " --min-weighted-coverage {params.min_weighted_coverage}"
        " --ambiguous {params.ambiguous}"
        " --missing {params.missing}"
        " --dosage-field {params.dosage_field}"
        " {params.assume_hom_ref:q}"
        " {params.reads:q}"
        " {params.options:q}"
        " --threads {threads}"
        " --max-memory {params.max_memory}"
        " > {log:q} 2>&1"
        " || {{ code=$?; test $code -eq {params.accepted} -a -d {output:q} || exit $code; }}"
