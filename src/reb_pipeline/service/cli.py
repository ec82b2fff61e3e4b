"""Command ``reb serve``: a packaged model as a web service."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from pydantic import SecretStr, ValidationError

from reb_pipeline.core.command_line import PLACE, SETTINGS, run
from reb_pipeline.core.errors import InputError
from reb_pipeline.core.installing import install_command
from reb_pipeline.inspection.model_options import load_inspector, model_options
from reb_pipeline.service.settings import ServiceSettings

KEY_VARIABLE = "REB_API_KEY"
LOOPBACK = ("127.0.0.1", "::1", "localhost")

logger = logging.getLogger(__name__)


def _limits(function: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each setting of the service but the API key."""
    for name, field in reversed(ServiceSettings.model_fields.items()):
        option = f"--{name.replace('_', '-')}"
        if name == "allow_origin":
            function = click.option(option, multiple=True, help=field.description)(function)
        elif name == "marks":
            function = click.option(option, type=PLACE, help=field.description)(function)
        elif name != "api_key":
            function = click.option(option, default=field.default, help=field.description)(function)
    return function


@click.command(context_settings=SETTINGS)
@model_options
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", default=8000, help="Port to listen on; 0 takes a free one.")
@click.option("--api-key-file", type=PLACE, help="File that holds the API key.")
@_limits
def command(host: str, port: int, api_key_file: str | None, **others: Any) -> None:
    """Inspect images over HTTP with a packaged model.

    An API key is taken from the environment variable REB_API_KEY or from a file.
    """
    limits = {name: others.pop(name) for name in ServiceSettings.model_fields if name in others}
    settings = _settings(Path(api_key_file) if api_key_file else None, limits)
    try:
        import python_multipart  # noqa: F401  Starlette imports it at the first form

        from reb_pipeline.service.server import listen, serve
    except ModuleNotFoundError as error:
        msg = f"The service needs {error.name}: run `{install_command('serve')}`."
        raise InputError(msg) from error
    from reb_pipeline.service.logs import log_as_json_lines

    log_as_json_lines()
    inspector = load_inspector(**others)
    listener = listen(host, port)
    if settings.api_key is None and host not in LOOPBACK:
        logger.warning(
            "No API key: whoever reaches this port can use the service; set %s.", KEY_VARIABLE
        )
    serve(inspector, settings, listener)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``reb-serve``, which is ``reb serve``."""
    return run(command, "reb-serve", arguments)


def _settings(api_key_file: Path | None, limits: dict[str, Any]) -> ServiceSettings:
    """Collect the limits and the API key.

    Raises:
        InputError: If a limit is too small, or the key is empty or cannot be read.
    """
    try:
        return ServiceSettings(**limits, api_key=_api_key(api_key_file))
    except ValidationError as error:
        problem = error.errors()[0]
        option = f"--{str(problem['loc'][0]).replace('_', '-')}"
        msg = f"{option} {problem['input']} cannot be used: {problem['msg']}."
        raise InputError(msg) from error


def _api_key(file: Path | None) -> SecretStr | None:
    if file is None:
        key, source = os.environ.get(KEY_VARIABLE), KEY_VARIABLE
    else:
        source = f"'{file}'"
        try:
            key = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            msg = f"The API key cannot be read from {source} ({error}): give a text file that holds it."
            raise InputError(msg) from error
    if key is None:
        return None
    if not key.strip():
        # An empty key by mistake must not open the service to all.
        msg = f"The API key in {source} is empty: put one there, or leave it out for a service without."
        raise InputError(msg)
    return SecretStr(key.strip())


if __name__ == "__main__":
    sys.exit(main())
