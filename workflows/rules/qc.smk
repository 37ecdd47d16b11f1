PASSED = f"{RESULTS}/passed/{{cohort}}"
if config["qc"]["run"]:
    TARGETS += expand(f"{RESULTS}/qc/{{cohort}}", cohort=config["cohorts"])


rule qc:
    input:
        store=multiext(STORE, ".pgen", ".pvar", ".psam"),
        tables=files("qc", "groups", "pheno"),
    output:
        tables=directory(f"{RESULTS}/qc/{{cohort}}"),
        store=multiext(PASSED, ".pgen", ".pvar", ".psam"),
    log:
        f"{RESULTS}/logs/qc/{{cohort}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/qc/{{cohort}}.tsv"
    retries: config["retries"]
    conda:
        "../envs/genomed.yaml"
    threads: config["threads"]
    resources:
        mem_mb=needs("qc", "mem_mb"),
        runtime=needs("qc", "runtime_minutes"),
        disk_mb=needs("qc", "disk_mb"),
    params:
        max_memory=own_memory,
        passed=lambda wildcards, output: output.store[0].removesuffix(".pgen"),
        options=given("qc", "groups", "pheno") + options("qc"),
    shell:
        "genomed qc {input.store[0]:q} --out {output.tables:q} --write {params.passed:q}"
        " {params.options:q} --threads {threads} --max-memory {params.max_memory} > {log:q} 2>&1"
