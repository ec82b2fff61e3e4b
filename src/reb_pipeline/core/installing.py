"""Commands that install what is missing, for error messages.

The project itself is on no package index, where anyone could take its name: no message gives that name to pip.
"""

import re
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

DISTRIBUTION = "reb-pipeline"
_CLONE = Path(__file__).parents[3]


def install_command(extra: str) -> str:
    """Return the command that installs the packages of an extra: in a clone by its name, else one by one.

    An installation for inspection alone gets no more than these packages.

    Args:
        extra: Name in ``optional-dependencies`` of ``pyproject.toml``.

    Example:
        >>> from reb_pipeline.core.installing import install_command
        >>> install_command("openvino")
        "pip install -e '.[openvino]'"
    """
    if (_CLONE / "pyproject.toml").is_file():
        return f"pip install -e '.[{extra}]'"
    marked = re.compile(rf"(.+?) *; *extra *== *['\"]{extra}['\"]")
    lines: list[str] = []
    with suppress(PackageNotFoundError):  # sources that were copied here
        lines = requires(DISTRIBUTION) or []
    found = filter(None, map(marked.fullmatch, lines))
    return " ".join(["pip install", *(f"'{one[1]}'" for one in found)])
