"""Errors of storage elsewhere are one sentence, whichever package raises them."""

import pytest

from reb_pipeline.core.errors import InputError, input_error_behind
from reb_pipeline.core.places import no_folder, reaching


def error_of(package: str) -> Exception:
    return type("SomeError", (Exception,), {"__module__": f"{package}.exceptions"})(
        "no credentials"
    )


@pytest.mark.parametrize(
    "package", ["botocore", "aiohttp", "google.auth", "azure.core", "requests"]
)
def test_an_error_of_a_package_behind_a_file_system(package):
    refused = pytest.raises(
        InputError, match=r"'s3://x' cannot be listed \(no credentials\): look\."
    )
    with refused, reaching("'s3://x' cannot be listed", "look"):
        raise error_of(package)
    behind = RuntimeError("a node failed")
    behind.__cause__ = error_of(package)
    assert "Storage elsewhere does not answer" in str(input_error_behind(behind))


def test_a_defect_stays_a_defect():
    with pytest.raises(KeyError), reaching("x", "y"):
        raise KeyError("x")
    assert input_error_behind(KeyError("x")) is None


def test_what_is_described_already_stays():
    with pytest.raises(InputError, match=r"^described$"), reaching("x", "y"):
        raise InputError("described")


@pytest.mark.parametrize("name", ["a.7z", "a.tar.gz", "A.ZIP", "a.tar", "a.txt", "a"])
def test_a_file_in_the_place_of_a_folder(name, tmp_path):
    path = tmp_path / name
    path.touch()
    sentence = no_folder(str(path))
    assert ("unpack it" in sentence) == (name.lower() not in ("a.txt", "a"))
    assert ("://::" in sentence) == name.lower().endswith((".zip", ".tar"))
