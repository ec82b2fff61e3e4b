"""Commands of the command line: their exit status, their errors, and values that several of them take."""

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import inf
from os.path import expanduser
from typing import Any

import click

from reb_pipeline.core.errors import input_error_behind

_ALL = 100  # percent
INTERRUPTED = 130  # as shells report a process that Ctrl-C ended
SETTINGS: dict[str, Any] = {"show_default": True, "max_content_width": 100}


class Place(click.ParamType):
    """Path or URL of a file or folder; ``~`` is the home folder, also where the shell does not replace it."""

    name = "path"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Replace ``~`` at the beginning; an empty text, as of a variable that is not set, is no place."""
        if not value.strip():
            self.fail("it is empty: give a path or URL.")
        return expanduser(value)


class Rate(click.ParamType):
    """Share between 0 and 1, or a percentage such as ``2%`` or ``2 %``."""

    name = "rate"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a number, in percent where it ends with the sign."""
        text = str(value).strip()
        try:
            rate = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            rate = 0.0
        if not 0 < rate < 1:
            hint = f" (did you mean {text}%?)" if 1 <= rate < _ALL else ""
            self.fail(f"{text!r} is no share between 0 and 1, or between 0% and 100%{hint}.")
        return rate


class Positive(click.ParamType):
    """Finite number above 0."""

    name = "number"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a number."""
        try:
            number = float(value)
        except ValueError:
            number = 0.0
        if not 0 < number < inf:
            self.fail(f"{value!r} is no number above 0.")
        return number


PLACE, RATE, POSITIVE = Place(), Rate(), Positive()


def run(command: click.Command, name: str, arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        command: The command; it returns its exit status, or None for 0.
        name: Name that the help shows.
        arguments: Arguments of the command line; None for those of the process.

    Returns:
        Exit status of the command; 2 after an :class:`reb_pipeline.core.errors.InputError`, which is printed; 130 after
        Ctrl-C.

    Raises:
        SystemExit: With status 0 after ``--help`` or ``--version``, 2 for arguments that the command does not take.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # on Windows not all signs can be printed
            stream.reconfigure(errors="replace")
    try:
        with command.make_context(name, given) as context:
            return command.invoke(context) or 0
    except click.exceptions.Exit as end:
        raise SystemExit(end.exit_code) from None
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from error
    except KeyboardInterrupt as interrupt:
        message, status = str(interrupt) or "Interrupted.", INTERRUPTED
    except Exception as error:
        message, status = _sentence(error), 2
        if not message:
            raise
        message = f"Error: {message}"
    sys.stderr.write(f"{message}\n")  # outside of `except`, after the progress bar is closed
    return status


def _sentence(error: Exception) -> str:
    """Describe an error that the user can correct; empty for a defect of this project."""
    cause = input_error_behind(error)
    if cause is not None:
        return str(cause)
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        if package != __package__.partition(".")[0]:
            return (
                f"This command needs {package}, which is not installed, as where only inspection is: `reb doctor` "
                f"lists what is missing and how to install it."
            )
    return ""


@contextmanager
def resumable() -> Iterator[None]:
    """Say after Ctrl-C that the work goes on where it was, for work that keeps what is done."""
    try:
        yield
    except KeyboardInterrupt:
        msg = "Interrupted: what is done is kept, and the same command goes on."
        raise KeyboardInterrupt(msg) from None
