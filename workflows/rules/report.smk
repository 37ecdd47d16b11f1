# One page of everything that was made: the last job, for it reads what all others have written.
MADE = list(TARGETS)
if config["report"]["run"]:
    TARGETS.append(f"{RESULTS}/report.html")


rule report:
    input:
        results=MADE,
        names=files("report", "names"),
    output:
        page=f"{RESULTS}/report.html",
        multiqc=f"{RESULTS}/report_mqc.json",
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    retries: config["retries"]
    conda:
        "../envs/genomed.yaml"
    resources:
        mem_mb=needs("report", "mem_mb"),
        runtime=needs("report", "runtime_minutes"),
        disk_mb=needs("report", "disk_mb"),
    params:
        results=lambda wildcards, output: str(Path(output.page).parent),
        options=given("report", "names") + options("report"),
    shell:
        "genomed report {params.results:q} --out {output.page:q} {params.options:q} > {log:q} 2>&1"
