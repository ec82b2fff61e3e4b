"""Docstrings and comments are plain technical English, without openings and words that a reader must guess."""

import ast
import re
import tokenize
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "reb_pipeline"
FILES = sorted(str(path.relative_to(SRC)) for path in SRC.rglob("*.py"))
# An opening must name a thing or begin with a verb.
OPENINGS = "What|How|Which|Whether|That|Those|So"
OPENING = re.compile(rf"\A({OPENINGS})\b")
ENTRY = re.compile(rf"^ *\*{{0,2}}\w+: ({OPENINGS})\b", re.MULTILINE)  # of Args, Attributes, Raises
SECTION = re.compile(rf"^ *(?:Returns|Yields):\n\s*({OPENINGS})\b", re.MULTILINE)
SENTENCE = re.compile(r"(?<=[.:] )(What|How|Which|Whether|Those)\b")
# Words with a private meaning here, or that need two readings; the field has others.
WORDS = re.compile(
    r"\b(Looks?|(?i:cells?|bench|judg\w+|told|insist\w*|pictures?|rooms?|likewise|whatever|thereof))\b"
)
# Words that are the field's own in a file.
EXCEPTIONS = {
    "datasets/layouts/elpv.py": {"cell", "cells"},  # solar cells
    "defectmaker/shapes.py": {"cell"},  # of the lattice of Perlin noise
    "figures/gallery.py": {"cells"},  # of a table
}


def docstrings(file):
    """(line, text) of the docstrings of a module, its classes and functions."""
    tree = ast.parse((SRC / file).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text


def comments(file):
    """(line, text) of the comments of a module."""
    with (SRC / file).open("rb") as source:
        for token in tokenize.tokenize(source.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string.lstrip("# ")


def openings(text):
    """The forbidden openings of a docstring, in their order."""
    patterns = (OPENING, ENTRY, SECTION, SENTENCE)
    found = {m.start(1): m.group(1) for pattern in patterns for m in pattern.finditer(text)}
    return [found[position] for position in sorted(found)]


def private_words(file, text):
    allowed = EXCEPTIONS.get(file, set())
    return [word for word in WORDS.findall(text) if word.lower() not in allowed]


@pytest.mark.parametrize("file", FILES)
def test_docstrings_open_with_a_verb_or_a_thing(file):
    found = [f"{file}:{line}: {word}" for line, text in docstrings(file) for word in openings(text)]

    assert not found


@pytest.mark.parametrize("file", FILES)
def test_docstrings_and_comments_have_no_private_words(file):
    texts = [*docstrings(file), *comments(file)]
    found = [f"{file}:{line}: {word}" for line, text in texts for word in private_words(file, text)]

    assert not found


def test_riddles_are_noticed():
    assert openings("What each row is divided by.") == ["What"]
    assert openings("Search.\n\nArgs:\n    k: How many.\n\nReturns:\n    Those found.") == [
        "How",
        "Those",
    ]
    assert openings("Find rows. Which ones is open.") == ["Which"]
    assert private_words("a.py", "The bench of a cell") == ["bench", "cell"]
    assert not openings("Find what is near.\n\nArgs:\n    k: Number, that of the settings.")
