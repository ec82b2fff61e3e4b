"""A process in which only the packages of requirements-inspect.txt can be imported."""

import re
import subprocess
import sys
import sysconfig
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.utils import canonicalize_name

from conftest import ROOT

REQUIREMENTS = ROOT / "requirements-inspect.txt"
_ONLY = """
import sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused!r}:
            raise ModuleNotFoundError(f"{{name}} is not installed here", name=name)

sys.meta_path.insert(0, Refused())
"""


def pins(text: str) -> dict[str, str]:
    """Releases of a file of requirements by canonical name; comments, hashes and conditions are passed over."""
    found = re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def run_lean(script: str, *arguments, more: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    """Run a script where neither PyTorch, Kedro, pandas nor OpenCV is installed.

    Args:
        script: Python text.
        arguments: Its arguments.
        more: Modules that can be imported as well.
    """
    only = _ONLY.format(refused=_other_modules() - set(more))
    return subprocess.run(
        [sys.executable, "-c", only + script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@cache
def _other_modules() -> set[str]:
    """Modules in this environment that belong to none of the requirements."""
    needed = set()
    for name in pins(REQUIREMENTS.read_text()):
        with suppress(PackageNotFoundError):  # of other systems
            needed |= {file.parts[0].split(".")[0] for file in distribution(name).files or ()}
    there = {path.name.split(".")[0] for path in Path(sysconfig.get_path("purelib")).iterdir()}
    return there - needed - {"reb_pipeline"}
