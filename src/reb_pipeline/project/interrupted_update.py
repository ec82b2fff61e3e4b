"""The state that an interrupted bank update began with."""

from copy import copy
from typing import TYPE_CHECKING, Any

from kedro.io import Version

from reb_pipeline.project.provenance import Manifests

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol

BEFORE = ".memory_bank_before"  # end of the name of the bank that an update reads


def pin_state_before(catalog: "CatalogProtocol", category: str, manifests: Manifests) -> None:
    """Pin the bank and the coreset that the newest local density was measured of, in place.

    An update saves bank, coreset and density one after the other. One that was interrupted between them left a bank,
    or a bank and a coreset, that are newer. Then the next update begins with what that one began with, and gives the
    same.

    Args:
        catalog: Catalog of the run.
        category: Name of the category.
        manifests: Manifests of earlier runs: only what an update left is passed over.
    """
    parts = ("memory_bank", "coreset", "local_density")
    datasets: list[Any] = [catalog[f"{category}.{name}_before"] for name in parts]
    bank, coreset, density = datasets
    wanted = density.load().bank_fingerprint
    update = f"{category}.bank_update.update_memory_bank"
    if not wanted or manifests.of(bank.resolve_load_version(), update) is None:
        return
    for coreset_version, selected in _versions(coreset):
        if selected.bank_fingerprint != wanted:
            continue
        for bank_version, stored in _versions(bank):
            has_its_rows = len(stored.features) == selected.bank_rows
            if has_its_rows and stored.fingerprint_of(selected.rows) == wanted:
                _pin(coreset, coreset_version)
                _pin(bank, bank_version)
                return
        return


def _versions(dataset: Any) -> Any:
    """Yield the versions of a dataset, the newest first, with what is stored."""
    for version in dataset.list_versions(full_path=False):
        one = copy(dataset)
        _pin(one, version)
        yield version, one.load()


def _pin(dataset: Any, version: str) -> None:
    dataset._version = Version(version, dataset._version.save)
