"""What a schema refuses, in words: the key, what is wrong with it, the remedy."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from typing import Any

import jsonschema

__all__ = ["in_words", "meant", "refused"]


def refused(config: Mapping[str, Any], schema: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """What the schema refuses, in words; and the configuration without it."""
    usable: dict[str, Any] = copy.deepcopy(dict(config))
    said = []
    for error in jsonschema.Draft202012Validator(schema).iter_errors(usable):
        for key, sentence in in_words(error):
            name = ".".join(
                part if len(part) <= 100 else f"{part[:20]}..." for part in map(str, key)
            )
            said.append(f"{name or 'the configuration'}: {sentence}")
    while error := jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(schema).iter_errors(usable)
    ):
        for key, _ in in_words(error):
            _remove(usable, key)
    return said, usable


def in_words(error: jsonschema.ValidationError) -> list[tuple[list[Any], str]]:
    """Key and sentence of every fault in one error of the schema."""
    key, wants, has = list(error.absolute_path), error.validator_value, error.instance
    kind = error.validator
    if kind == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        return [([*key, name], _unknown_key(str(name), known)) for name in has if name not in known]
    if kind == "required":
        return [(key, f"lacks {name}; add it") for name in wants if name not in has]
    if kind == "maxLength":
        return [([*key, has], f"has {len(has)} characters, and at most {wants} may be")]
    if "propertyNames" in error.absolute_schema_path:
        return [([*key, has], f"{has!r} {_pattern(wants)}")]
    if kind == "pattern":
        return [(key, f"{has!r} {_pattern(wants)}")]
    if kind == "enum":
        return [(key, f"{_shown(has)}; choose one of {', '.join(map(str, wants))}")]
    if kind == "type":
        return [(key, f"{_shown(has)}, and must be {_type(wants)}")]
    if kind == "oneOf":
        one = "a path, or a list of paths" if key[0] == "cohorts" else "a value, or a list of them"
        return [(key, f"{_shown(has)}, and must be {one}")]
    if kind in ("minimum", "maximum"):
        bound = "at least" if kind == "minimum" else "at most"
        return [(key, f"{_shown(has)}, and must be {bound} {wants}")]
    if kind == "uniqueItems":
        return [(key, "names something twice; leave it out once")]
    if kind in ("minItems", "minLength"):
        return [(key, "is empty; fill it in, or leave the key out")]
    return [(key, error.message)]


def meant(name: str, known: list[str]) -> str:
    """Which of the known names may be meant, as a question; empty where none is like this one."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"is {near[0]} meant?" if near else ""


def _unknown_key(name: str, known: list[str]) -> str:
    hint = meant(name, known) or f"known are {', '.join(sorted(known))}"
    return f"there is no such key; {hint}"


def _shown(value: Any) -> str:
    """What stands there, as far as it fits into a sentence."""
    text = repr(value)
    return "is empty" if value is None else f"is {text if len(text) <= 80 else text[:77] + '...'}"


def _pattern(pattern: str) -> str:
    if pattern.endswith("(bam|cram)$"):
        return "is no .bam or .cram; name the alignments"
    if pattern.startswith("^[a-z]"):
        return "is no option; write it without dashes in front, as in min_maf: 0.05"
    return "cannot stand in a path; use letters, digits and . _ - only"


def _type(wants: str | list[str]) -> str:
    words = {
        "integer": "a whole number", "number": "a number", "string": "a text", "boolean":
        "true or false", "array": "a list", "object": "a section with keys",
    }  # fmt: skip
    return " or ".join(words[one] for one in ([wants] if isinstance(wants, str) else wants))


def _remove(config: Any, key: list[Any]) -> None:
    """Take a key, or the whole section where it is an item of a list, out of a configuration."""
    for depth, name in enumerate(key[:-1]):
        if not isinstance(config[name], dict):
            key = key[: depth + 1]
            break
        config = config[name]
    config.pop(key[-1], None)
