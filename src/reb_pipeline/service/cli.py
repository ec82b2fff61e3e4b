"""Command ``reb-serve``: a packaged model as a web service."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from reb_pipeline.core.errors import InputError
from reb_pipeline.service.settings import ServiceSettings

KEY_VARIABLE = "REB_API_KEY"
LOOPBACK = ("127.0.0.1", "::1", "localhost")

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``reb-serve``.

    Returns:
        0 after a stop, 2 after an error that the user has to correct.
    """
    options = vars(_parser().parse_args(arguments))
    try:
        _run(**options)
    except InputError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    return 0


def _run(
    model: str,
    engine: str,
    host: str,
    port: int,
    api_key_file: Path | None,
    allow_undecided: bool,
    **limits: Any,
) -> None:
    settings = _settings(api_key_file, limits)
    try:
        from reb_pipeline.service.server import listen, serve
    except ModuleNotFoundError as error:
        msg = f"The service needs {error.name}: pip install 'reb-pipeline[serve]'."
        raise InputError(msg) from error
    from reb_pipeline.calibration.verdicts import check_can_flag
    from reb_pipeline.inspection.inspector import Inspector
    from reb_pipeline.service.logs import log_as_json_lines

    log_as_json_lines()
    inspector = Inspector.load(model, engine)
    if not allow_undecided:
        check_can_flag(inspector.calibration, inspector.name, "--allow-undecided")
    listener = listen(host, port)
    if settings.api_key is None and host not in LOOPBACK:
        logger.warning(
            "No API key: whoever reaches this port can use the service; set %s.", KEY_VARIABLE
        )
    serve(inspector, settings, listener)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reb-serve",
        description="Inspect images over HTTP with a packaged model.",
        epilog=f"An API key is taken from the environment variable {KEY_VARIABLE} or from a file.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="folder of the packaged model")
    parser.add_argument(
        "--engine",
        default="onnxruntime",
        choices=("onnxruntime", "openvino"),
        help="engine of the network",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--port", type=int, default=8000, help="port to listen on; 0 takes a free one"
    )
    parser.add_argument("--api-key-file", type=Path, help="file that holds the API key")
    parser.add_argument(
        "--allow-undecided",
        action="store_true",
        help="serve a model that can call no part good or defective, for its scores and maps",
    )
    for name, field in ServiceSettings.model_fields.items():
        option = f"--{name.replace('_', '-')}"
        if name == "allow_origin":
            parser.add_argument(option, action="append", default=[], help=field.description)
        elif name != "api_key":
            parser.add_argument(option, type=int, default=field.default, help=field.description)
    return parser


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
