# Samples that are in no cohort are called, contig by contig; the calls become a cohort like others.
CALLED = f"{RESULTS}/reads_call/{{sample}}/{{contig}}"
CONTIGS = config["reads_call"]["contigs"] or ["all"]
NEW = [row["sample"] for row in SAMPLES if "cohort" not in row]
if config["reads_call"]["run"] and NEW:
    COHORTS[config["reads_call"]["cohort"]] = expand(
        f"{CALLED}/calls.g.vcf.gz", sample=NEW, contig=CONTIGS
    )


rule reads_call:
    input:
        reads=lambda wildcards: indexed(READS[wildcards.sample]),
        files=files("reads_call") + fasta(),
    output:
        calls=f"{CALLED}/calls.g.vcf.gz",
        index=f"{CALLED}/calls.g.vcf.gz.tbi",
        record=f"{CALLED}/run.json",
    log:
        f"{RESULTS}/logs/reads_call/{{sample}}/{{contig}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/reads_call/{{sample}}/{{contig}}.tsv"
    retries: config["retries"]
    conda:
        "../envs/genomed.yaml"
    threads: config["threads"]
    resources:
        mem_mb=needs("reads_call", "mem_mb"),
        runtime=needs("reads_call", "runtime_minutes"),
        disk_mb=needs("reads_call", "disk_mb"),
    params:
        out=lambda wildcards, output: str(Path(output.calls).parent),
        region=lambda wildcards: words(
            {
                "region": wildcards.contig in config["reads_call"]["contigs"]
                and wildcards.contig
            }
        ),
        options=fasta("--reference") + options("reads_call"),
    shell:
        "genomed reads call {input.reads[0]:q} --sample {wildcards.sample:q} --gvcf"
        " --out {params.out:q} {params.region:q} {params.options:q}"
        " --threads {threads} > {log:q} 2>&1"
