RISK = config["risk"]


rule risk:
    input:
        cohort=lambda wildcards: config["cohorts"][wildcards.cohort],
        models=[model for model in RISK["models"] if Path(model).exists()],
        references=[
            path for path in (RISK["fasta"], RISK["reference"]) if path and Path(path).exists()
        ],
    output:
        directory(f"{RESULTS}/risk/{{cohort}}"),
    params:
        models=[word for model in RISK["models"] for word in ("--model", model)],
        min_weighted_coverage=RISK["min_weighted_coverage"],
        ambiguous=RISK["ambiguous"],
        missing=RISK["missing"],
        dosage_field=RISK["dosage_field"],
        assume_hom_ref=["--assume-hom-ref"] if RISK["assume_hom_ref"] else [],
        references=[
            word
            for option in ("fasta", "reference")
            if RISK[option]
            for word in (f"--{option}", RISK[option])
        ],
    log:
        f"{RESULTS}/logs/risk/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/risk/{{cohort}}.tsv"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=RISK["mem_mb"],
        runtime=RISK["runtime_minutes"],
    shell:
        "genomed risk {input.cohort:q} {params.models:q} --out {output:q}"
        " --min-weighted-coverage {params.min_weighted_coverage}"
        " --ambiguous {params.ambiguous}"
        " --missing {params.missing}"
        " --dosage-field {params.dosage_field}"
        " {params.assume_hom_ref:q}"
        " {params.references:q}"
        " --threads {threads}"
        " --max-memory {resources.mem_mb}M"
        " > {log:q} 2>&1"
