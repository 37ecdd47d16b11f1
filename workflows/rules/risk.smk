RISK = config["risk"]
TARGETS += expand(f"{RESULTS}/risk/{{cohort}}", cohort=config["cohorts"])


rule risk:
    input:
        cohort=scored,
        models=[model for model in RISK["models"] if Path(model).exists()] + TRAINED,
        files=files("risk", "fasta", "reference", "covariates", "groups"),
    output:
        directory(f"{RESULTS}/risk/{{cohort}}"),
    log:
        f"{RESULTS}/logs/risk/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/risk/{{cohort}}.tsv"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=lambda wildcards, attempt: attempt * RISK["mem_mb"],
        runtime=RISK["runtime_minutes"],
    params:
        models=[
            word for model in RISK["models"] + TRAINED for word in ("--model", model)
        ],
        min_weighted_coverage=RISK["min_weighted_coverage"],
        ambiguous=RISK["ambiguous"],
        missing=RISK["missing"],
        dosage_field=RISK["dosage_field"],
        assume_hom_ref=["--assume-hom-ref"] if RISK["assume_hom_ref"] else [],
        files=given("risk", "fasta", "reference", "covariates", "groups"),
    shell:
        "genomed risk {input.cohort[0]:q} {params.models:q} --out {output:q}"
        " --min-weighted-coverage {params.min_weighted_coverage}"
        " --ambiguous {params.ambiguous}"
        " --missing {params.missing}"
        " --dosage-field {params.dosage_field}"
        " {params.assume_hom_ref:q}"
        " {params.files:q}"
        " --threads {threads}"
        " --max-memory {resources.mem_mb}M"
        " > {log:q} 2>&1"
