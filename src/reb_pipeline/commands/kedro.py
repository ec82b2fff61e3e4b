"""Kedro, loaded without the line of its log that names its configuration."""

import logging


def load_kedro() -> None:
    """Import Kedro; called before any module that imports it."""
    logging.disable(logging.INFO)
    try:
        import kedro.framework.project  # noqa: F401
    finally:
        logging.disable(logging.NOTSET)
