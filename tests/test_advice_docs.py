"""Sentences that a page explains are those of the code, and advice names settings and measurements that exist."""

import ast
import re

import pytest

from pages import DOCS, ROOT

TROUBLES = (DOCS / "how-to/troubleshooting.md").read_text()
ADVICE = (DOCS / "how-to/which_setting.md").read_text()
ANY = "\0"  # a value in a sentence


def cells(page: str) -> list[list[str]]:
    """Rows of all tables of a page, without headings."""
    lines = re.findall(r"^\| (.*) \|$", page, re.MULTILINE)
    return [line.split(" | ") for line in lines if not line.startswith(("message", "your part"))]


def sentences() -> list[str]:
    """Texts of the code, with ANY in the place of values; a nested text stands beside the one that holds it."""
    found = []
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [
                    part.value if isinstance(part, ast.Constant) else ANY for part in node.values
                ]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


SENTENCES = sentences()
QUOTES = [row[0].strip("`") for row in cells(TROUBLES)]


def is_said(quote: str) -> bool:
    parts = [re.escape(part.strip(" ")) for part in quote.strip("… ").split("…")]
    pattern = re.compile(r"[\s\S]*?".join(parts))
    return any(pattern.search(sentence) for sentence in SENTENCES)


@pytest.mark.parametrize("quote", QUOTES)
def test_the_code_says_what_the_page_explains(quote):
    assert len(re.sub(r"\W+", "", quote)) > 12
    assert is_said(quote)


def test_a_sentence_that_nobody_says_is_noticed():
    assert len(QUOTES) > 40
    assert not is_said("Category … is not in the cellar")


@pytest.mark.parametrize("row", cells(ADVICE), ids=lambda row: row[0])
def test_advice_was_measured_or_says_that_it_was_not(row):
    _, setting, _, measured = row
    links = re.findall(r"\]\(\.\./measured/([\w/]+\.md)\)", measured)
    assert links or measured == "not measured"
    assert all((DOCS / "measured" / link).is_file() for link in links)
    parameters = (DOCS / "reference/parameters.md").read_text()
    for name in re.findall(r"`([a-z_]+\.[a-z_]+)[`:=]", setting):
        assert f"`{name}`" in parameters or name.startswith("split."), name
