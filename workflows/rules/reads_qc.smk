# All samples of the sheet together, so that it is seen who is who; or a job for each.
READS_QC = {row["sample"]: [row["reads"]] for row in SAMPLES}
if config["reads_qc"]["scatter"] == "sheet":
    READS_QC = {"all": [row["reads"] for row in SAMPLES]} if SAMPLES else {}
if config["reads_qc"]["run"]:
    TARGETS += expand(f"{RESULTS}/reads_qc/{{part}}", part=READS_QC)


rule reads_qc:
    input:
        reads=lambda wildcards: READS_QC[wildcards.part],
        files=files("reads_qc", "sites", "targets") + fasta(),
    output:
        directory(f"{RESULTS}/reads_qc/{{part}}"),
    log:
        f"{RESULTS}/logs/reads_qc/{{part}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/reads_qc/{{part}}.tsv"
    retries: config["retries"]
    conda:
        "../envs/genomed.yaml"
    threads: config["threads"]
    resources:
        mem_mb=needs("reads_qc", "mem_mb"),
        runtime=needs("reads_qc", "runtime_minutes"),
        disk_mb=needs("reads_qc", "disk_mb"),
    params:
        options=fasta("--reference")
        + given("reads_qc", "sites", "targets")
        + options("reads_qc"),
    shell:
        "genomed reads qc {input.reads:q} --out {output:q} {params.options:q}"
        " --threads {threads} > {log:q} 2>&1"
