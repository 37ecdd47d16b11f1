STORE = f"{RESULTS}/store/{{cohort}}"


rule convert:
    input:
        cohort=lambda wildcards: config["cohorts"][wildcards.cohort],
    output:
        store=multiext(STORE, ".pgen", ".pvar", ".psam", ".ledger.tsv.gz", ".run.json"),
    log:
        f"{RESULTS}/logs/convert/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/convert/{{cohort}}.tsv"
    conda:
        "../../environment.yml"
    threads: config["threads"]
    resources:
        mem_mb=lambda wildcards, attempt: attempt * config["convert"]["mem_mb"],
        runtime=config["convert"]["runtime_minutes"],
    params:
        prefix=lambda wildcards, output: output.store[0].removesuffix(".pgen"),
        options=options("convert"),
    shell:
        "genomed convert {input.cohort:q} --out {params.prefix:q} {params.options:q}"
        " --threads {threads} > {log:q} 2>&1"
