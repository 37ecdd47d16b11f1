TARGETS += expand(
    f"{RESULTS}/explain/{{trait}}", trait=TRAITS if config["explain"]["run"] else []
)


rule explain:
    input:
        store=multiext(expand(CLEAN, cohort=LEARNED_IN)[0], ".pgen", ".pvar", ".psam"),
        tables=files("train", "covariates", "groups") + files("explain", "genes"),
        model=f"{MODEL}.zip",
    output:
        directory(f"{RESULTS}/explain/{{trait}}"),
    log:
        f"{RESULTS}/logs/explain/{{trait}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/explain/{{trait}}.tsv"
    retries: config["retries"]
    conda:
        "../envs/genomed.yaml"
    threads: config["threads"]
    resources:
        mem_mb=needs("explain", "mem_mb"),
        runtime=needs("explain", "runtime_minutes"),
        disk_mb=needs("explain", "disk_mb"),
    params:
        options=given("train", "covariates", "groups")
        + given("explain", "genes")
        + options("explain"),
    shell:
        "genomed explain {input.model:q} {input.store[0]:q} --out {output:q} {params.options:q}"
        " --threads {threads} > {log:q} 2>&1"
