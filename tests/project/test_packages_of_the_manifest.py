"""Damaged metadata of an installed package end no run."""

from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from reb_pipeline.project.hooks import manifest as hooks


@pytest.mark.parametrize(
    "metadata", [None, "", "Version: 1\n", "Name: broken\n", "\udcff", "nonsense"]
)
def test_damaged_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metadata: str | None
) -> None:
    folders = [tmp_path / "sound-1.0.dist-info", tmp_path / "broken-1.0.dist-info"]
    for folder in folders:
        folder.mkdir()
    (folders[0] / "METADATA").write_text("Metadata-Version: 2.1\nName: sound\nVersion: 1.0\n")
    if metadata is not None:
        (folders[1] / "METADATA").write_bytes(metadata.encode("utf-8", "surrogateescape"))
    monkeypatch.setattr(hooks, "distributions", lambda: [PathDistribution(one) for one in folders])
    assert hooks._packages() == {"sound": "1.0"}
