# Of the people who were set aside in training.
TARGETS += expand(f"{RESULTS}/evaluate/{{trait}}", trait=TRAITS)


rule evaluate:
    input:
        predictions=f"{MODEL}.training/predictions.tsv.gz",
        truth=files("train", "traits"),
        tables=files("evaluate", "groups"),
    output:
        directory(f"{RESULTS}/evaluate/{{trait}}"),
    log:
        f"{RESULTS}/logs/evaluate/{{trait}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/evaluate/{{trait}}.tsv"
    retries: config["retries"]
    conda:
        "../envs/genomed.yaml"
    threads: config["threads"]
    resources:
        mem_mb=needs("evaluate", "mem_mb"),
        runtime=needs("evaluate", "runtime_minutes"),
        disk_mb=needs("evaluate", "disk_mb"),
    params:
        options=given("evaluate", "groups") + options("evaluate"),
    shell:
        "genomed evaluate {input.predictions:q} --traits {input.truth:q} --trait {wildcards.trait:q}"
        " --versus linear_prediction --out {output:q} {params.options:q}"
        " --threads {threads} > {log:q} 2>&1"
