# What follows works on the store that passed quality control, where that is run.
CLEAN = PASSED if config["qc"]["run"] else STORE
if config["structure"]["run"]:
    TARGETS += expand(f"{RESULTS}/structure/{{cohort}}", cohort=config["cohorts"])


rule structure:
    input:
        store=multiext(CLEAN, ".pgen", ".pvar", ".psam"),
        tables=files("structure", "groups", "reference"),
    output:
        directory(f"{RESULTS}/structure/{{cohort}}"),
    log:
        f"{RESULTS}/logs/structure/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/structure/{{cohort}}.tsv"
    retries: config["retries"]
    conda:
        "../envs/genomed.yaml"
    threads: config["threads"]
    resources:
        mem_mb=needs("structure", "mem_mb"),
        runtime=needs("structure", "runtime_minutes"),
        disk_mb=needs("structure", "disk_mb"),
        gpu=config["structure"]["gpu"],
    params:
        options=given("structure", "groups", "reference") + options("structure"),
    shell:
        "genomed structure {input.store[0]:q} --out {output:q} {params.options:q}"
        " --threads {threads} > {log:q} 2>&1"
