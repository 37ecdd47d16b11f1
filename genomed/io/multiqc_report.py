"""MultiQC custom content: the findings of a report, a row each.

Format: https://docs.seqera.io/multiqc/custom_content.
"""

from __future__ import annotations

from collections.abc import Sequence

from genomed.io.multiqc import content_text

__all__ = ["multiqc_report"]

_LEVELS = {"usable": "good", "care": "look at it", "none": "bad", "told": "to be known"}


def multiqc_report(findings: Sequence[tuple[str, str, str, str, str]]) -> str:
    """The text of ``report_mqc.json``: one row per finding.

    findings : chapter, level (usable, care, none or told), word, subject, sentence
    """
    data = {
        f"{place}. {subject}": {
            "chapter": chapter, "verdict": word, "level": _LEVELS[level], "finding": sentence,
        }
        for place, (chapter, level, word, subject, sentence) in enumerate(findings, 1)
    }  # fmt: skip
    content = {
        "id": "genomed_report",
        "section_name": "genomed: findings",
        "description": "What the runs of genomed found; report.html shows it in full.",
        "plot_type": "table",
        "pconfig": {
            "id": "genomed_report_table",
            "title": "genomed: findings",
            "namespace": "genomed report",
            "col1_header": "Subject",
            "no_violin": True,
            "sort_rows": False,
        },
        "headers": {
            "chapter": {"title": "Chapter"},
            "verdict": {"title": "Verdict"},
            "level": {
                "title": "Level",
                "cond_formatting_rules": {
                    "pass": [{"s_eq": "good"}],
                    "warn": [{"s_eq": "look at it"}],
                    "fail": [{"s_eq": "bad"}],
                },
            },
            "finding": {"title": "Finding"},
        },
        "data": data,
    }
    return content_text(content)
