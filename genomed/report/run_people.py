"""Who is who on a page that names nobody: pseudonyms, the same for the same run, or chosen names.

A pseudonym keeps a name off the page; it does not hide a person from somebody who holds the list of
a cohort's samples and its files, from which anybody can work it out again.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping

__all__ = ["People"]

_WORD = re.compile(r"[^\s,;:()\[\]{}\"'`=/\\|<>]+")
_SEPARATOR = re.compile(r"([._-])")
MOST_PIECES = 60  # of one word; longer ones are no names of samples
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+").fullmatch
_LIST = re.compile(r"(?<=\()([^()]+)(?=\))")
_PEOPLE = re.compile(r"\b(?:samples?|people|person|names?)\b")


class People:
    """Samples of all runs, and what the page calls each.

    Pseudonyms are P-0001 ..., in the order of the SHA-256 of salt and sample.
    """

    def __init__(
        self, samples: Iterable[str], salt: str = "", names: Mapping[str, str] | None = None
    ) -> None:
        """Name everybody.

        salt  : what tells this cohort from others, for example a digest of its file
        names : sample -> name to show instead of its pseudonym; a name that several bear is
                followed by it
        """
        everybody = sorted(set(samples), key=lambda s: (_digest(salt, s), s))
        width = max(4, len(str(len(everybody))))
        self._shown = {s: f"P-{i:0{width}d}" for i, s in enumerate(everybody, 1)}
        named = {s: n for s, n in (names or {}).items() if s in self._shown}
        self.named = bool(named)  # somebody goes by a name
        bearers = Counter((self._shown | named).values())
        for sample, name in named.items():
            alone = bearers[name] == 1
            self._shown[sample] = name if alone else f"{name} ({self._shown[sample]})"
        self._words = {s for s in everybody if _PLAIN(s) and _stands_out(s)}
        self._odd = sorted((s for s in everybody if s and not _PLAIN(s)), key=len, reverse=True)

    def __len__(self) -> int:
        return len(self._shown)

    def shown(self, sample: str) -> str:
        """What the page calls a sample; "unknown" for one that no run holds."""
        return self._shown.get(sample, "unknown")

    def sample(self, text: str) -> str | None:
        """The sample that bears this ID, pseudonym or name; None for nobody, or for several."""
        if text in self._shown:
            return text
        found = [sample for sample, name in self._shown.items() if name == text]
        return found[0] if len(found) == 1 else None

    def masked(self, text: str) -> str:
        """A text from a file, with what the page calls samples instead of their IDs."""
        for sample in self._odd:
            if sample in text:
                text = text.replace(sample, self._shown[sample])
        if _PEOPLE.search(text):
            text = _LIST.sub(self._masked_list, text)
        return _WORD.sub(self._masked_word, text)

    def _masked_word(self, found: re.Match[str]) -> str:
        """A word that is a sample's ID, or holds one between dots and dashes: NA12878.bam."""
        pieces = _SEPARATOR.split(found[0])  # words at even places, what is between at odd ones
        if len(pieces) > MOST_PIECES:
            return found[0]
        masked, start = "", 0
        while start < len(pieces):
            ends = range(len(pieces), start, -2)
            end = next((e for e in ends if "".join(pieces[start:e]) in self._words), 0)
            masked += self._shown["".join(pieces[start:end])] if end else pieces[start]
            start = end or start + 1
            masked += pieces[start] if start < len(pieces) else ""
            start += 1
        return masked

    def _masked_list(self, found: re.Match[str]) -> str:
        """Items of a list of samples, those that no run holds included."""
        items = [item.strip() for item in found[1].split(",")]
        if items[-1] != "..." and not any(item in self._shown for item in items):
            return found[1]
        kept = {"...", *self._shown.values()}
        return ", ".join(self._shown.get(i, i if i in kept else "unknown") for i in items)


def _stands_out(sample: str) -> bool:
    """Whether a sample's ID is nothing else in a sentence, as a small number or a letter may be.

    Others are masked in lists of samples only.
    """
    if sample.isdigit():
        return len(sample) > 4
    return len(sample) > 2 or any(c.isdigit() for c in sample)


def _digest(salt: str, sample: str) -> bytes:
    return hashlib.sha256(f"{salt}\n{sample}".encode("utf-8", "surrogateescape")).digest()
