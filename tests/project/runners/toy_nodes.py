"""Nodes for a toy pipeline, in a module of their own because workers import them."""

import os
import signal
import time
from pathlib import Path

from reb_pipeline.core.errors import InputError

VERSION = "2026-01-02T03.04.05.678Z"


def note(folder: str, name: str) -> None:
    """Leave a mark of this call."""
    with (Path(folder) / "calls").open("a") as file:
        file.write(f"{name}\n")


def first(folder: str) -> dict:
    note(folder, "first")
    return {"value": 1}


def second(folder: str, data: dict) -> dict:
    note(folder, "second")
    return {"value": data["value"] + 1}


def slow(folder: str, data: dict) -> dict:
    note(folder, "slow")
    time.sleep(0.3)
    return data


def die_once(folder: str, data: dict) -> tuple[dict, dict]:
    note(folder, "die_once")
    marker = Path(folder) / "died"
    if not marker.exists():
        marker.touch()
        # As if it had been killed between the saving of its two outputs.
        saved = Path(folder) / "left.json" / VERSION
        saved.mkdir(parents=True)
        (saved / "left.json").write_text("{}")
        os.kill(os.getpid(), signal.SIGKILL)
    return data, data


def die(folder: str, data: dict) -> tuple[dict, dict]:
    note(folder, "die")
    os.kill(os.getpid(), signal.SIGKILL)
    return data, data


def fail(folder: str, data: dict) -> tuple[dict, dict]:
    note(folder, "fail")
    if (Path(folder) / "mended").exists():
        return data, data
    raise KeyError("the\nreason")


def refuse(folder: str, data: dict) -> tuple[dict, dict]:
    raise InputError("The image 'a.png' is broken: replace it.")


def join(left: dict, right: dict, other: dict) -> dict:
    return {"value": left["value"] + right["value"] + other["value"]}


def where(folder: str, data: dict) -> dict:
    from distributed import get_worker

    return {
        "worker": get_worker().name,
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "malloc_trims": "MALLOC_TRIM_THRESHOLD_" in os.environ,
    }
