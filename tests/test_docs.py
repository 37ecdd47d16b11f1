"""The documentation says what the code does: commands run, links lead somewhere, options agree."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from datafiles import REPOSITORY
from typer.main import get_command

from genomed import errors, ledger
from genomed.cli import app
from genomed.ledger import LENIENCIES
from genomed.tables import TABLES

DOCS = REPOSITORY / "docs"
TOOLS = DOCS / "tools"
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)")
HEADING = re.compile(r"^#+ (.*)$", re.M)


def run_tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOLS / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)


def pages() -> list[Path]:
    """README and the pages of the site, but for the one that is not committed."""
    return [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md"))]


def text_of(page: Path) -> str:
    """A page as the site shows it: what it includes stands in it."""
    included = re.compile(r'^--8<-- "(.*)"$', re.M)
    return included.sub(
        lambda found: (REPOSITORY / found[1]).read_text(encoding="utf-8"),
        page.read_text(encoding="utf-8"),
    )


def anchors(page: Path) -> set[str]:
    """Identifiers of the headings of a page, as the site makes them."""
    headings = HEADING.findall(FENCE.sub("", text_of(page)))
    plain = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {"#" + re.sub(r"[-\s]+", "-", heading) for heading in plain}


def test_the_tutorials_run_and_print_what_they_show() -> None:
    done = run_tool("tutorials.py")

    assert done.returncode == 0, done.stderr


def test_options_columns_and_codes_in_the_reference_are_those_of_the_code() -> None:
    done = run_tool("reference.py", "--check")

    assert done.returncode == 0, done.stderr


def test_the_reference_tells_every_option_of_every_command() -> None:
    shared = (DOCS / "reference/commands/index.md").read_text(encoding="utf-8")
    for name, command in get_command(app).commands.items():
        page = shared + (DOCS / f"reference/commands/{name}.md").read_text(encoding="utf-8")
        for one in [command, *getattr(command, "commands", {}).values()]:
            told = [p for p in one.params if p.opts[0].startswith("--") and not p.hidden]
            assert not [p.opts[0] for p in told if p.opts[0] not in page], name


def test_options_that_codes_and_columns_name_are_there() -> None:
    commands = get_command(app).commands.values()
    every = [c for one in commands for c in (one, *getattr(one, "commands", {}).values())]
    known = {opt for c in every for p in c.params for opt in (*p.opts, *p.secondary_opts)}
    texts = [getattr(ledger, name) for name in ledger.__all__] + list(TABLES.values())
    said = [str(text) for codes in texts if isinstance(codes, dict) for text in codes.values()]
    named = {opt for text in said for opt in re.findall(r"(?<!\S)\(?(--[a-z][a-z0-9-]+)", text)}
    assert {"--outlier", "--min-call-rate"} <= named
    assert named - known == {"--pca"}  # of plink2


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_to_a_page_and_a_heading(page: Path) -> None:
    wrong = []
    for path, anchor in LINK.findall(FENCE.sub("", text_of(page))):
        target = (page.parent / path).resolve() if path else page
        uncommitted = target == DOCS / "reference" / "code-map.md"
        if not target.exists() and not uncommitted:
            wrong.append(path)
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            wrong.append(path + anchor)
    assert not wrong


def test_every_page_is_in_the_menu() -> None:
    class Loader(yaml.SafeLoader):
        """mkdocs.yml names functions, which are of no interest here."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    settings = yaml.load((REPOSITORY / "mkdocs.yml").read_text(), Loader)

    def entries(menu: object) -> list[str]:
        if isinstance(menu, str):
            return [menu]
        below = menu.values() if isinstance(menu, dict) else menu
        return [page for entry in below for page in entries(entry)]

    made = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    assert set(entries(settings["nav"])) == made | {"reference/code-map.md"}


def test_the_page_of_exit_codes_names_every_one_of_the_code() -> None:
    page = (DOCS / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    codes = {getattr(errors, name).exit_code for name in errors.__all__} - {1}

    assert not [code for code in codes if f"| {code} |" not in page]


def test_the_reference_names_every_leniency() -> None:
    page = (DOCS / "reference" / "reason-codes.md").read_text(encoding="utf-8")

    assert not [code for code in LENIENCIES if f"| `{code}` |" not in page]


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "mkdocs"
    if not program.exists():
        pytest.skip("mkdocs is not installed: pip install 'genomed[docs]'")
    run_tool("reference.py")
    done = subprocess.run(
        [program, "build", "--strict", "--site-dir", tmp_path / "site"],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )

    assert done.returncode == 0, done.stderr
    html = [page.read_text(encoding="utf-8") for page in (tmp_path / "site").rglob("*.html")]
    assert not [
        page
        for page in html
        if re.search(r'(?:src|href)="(?:https?:)?//[^"]*\.(?:js|css|woff2?)', page)
    ]
