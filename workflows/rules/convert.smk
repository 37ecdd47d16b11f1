# What a job of its own converts is scattered first; the stores of the parts are gathered then.
STORE = f"{RESULTS}/store/{{cohort}}"
PART = f"{RESULTS}/parts/{{cohort}}/{{part}}"
PARTS = {cohort: checks.parts_of(config, cohort) for cohort in COHORTS}


rule convert_part:
    input:
        cohort=lambda wildcards: PARTS[wildcards.cohort][wildcards.part][0],
        tables=files("convert"),
    output:
        store=temp(multiext(PART, ".pgen", ".pvar", ".psam")),
        ledger=multiext(PART, ".ledger.tsv.gz", ".run.json"),
    log:
        f"{RESULTS}/logs/convert_part/{{cohort}}/{{part}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/convert_part/{{cohort}}/{{part}}.tsv"
    retries: config["retries"]
    conda:
        "../envs/genomed.yaml"
    threads: config["threads"]
    resources:
        mem_mb=needs("convert_part", "mem_mb", "convert"),
        runtime=needs("convert_part", "runtime_minutes", "convert"),
        disk_mb=needs("convert_part", "disk_mb", "convert"),
    params:
        prefix=lambda wildcards, output: output.store[0].removesuffix(".pgen"),
        region=lambda wildcards: words(
            {"region": PARTS[wildcards.cohort][wildcards.part][1] or False}
        ),
        options=options("convert"),
    shell:
        "genomed convert {input.cohort:q} --out {params.prefix:q} {params.region:q}"
        " --allow-no-variants {params.options:q} --threads {threads} > {log:q} 2>&1"


rule convert:
    input:
        cohort=to_convert,
        beside=lambda wildcards: companions(to_convert(wildcards)),
        tables=files("convert"),
    output:
        store=multiext(STORE, ".pgen", ".pvar", ".psam", ".ledger.tsv.gz", ".run.json"),
    log:
        f"{RESULTS}/logs/convert/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/convert/{{cohort}}.tsv"
    retries: config["retries"]
    conda:
        "../envs/genomed.yaml"
    threads: config["threads"]
    resources:
        mem_mb=needs("convert", "mem_mb"),
        runtime=needs("convert", "runtime_minutes"),
        disk_mb=needs("convert", "disk_mb"),
    params:
        prefix=lambda wildcards, output: output.store[0].removesuffix(".pgen"),
        options=convert_options,
    shell:
        "genomed convert {input.cohort:q} --out {params.prefix:q} {params.options:q}"
        " --threads {threads} > {log:q} 2>&1"
