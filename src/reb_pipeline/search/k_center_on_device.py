"""Greedy k-centre on an accelerator, where updating all rows is faster than lazy evaluation."""

import numpy as np

from reb_pipeline.core.progress import progress

STEPS_PER_REPORT = 256


def plain_greedy(
    features: np.ndarray,
    n_select: int,
    first: int,
    device: str,
    description: str | None = None,
) -> np.ndarray:
    """Select rows by greedy k-centre, with all distances updated at every step (Gonzalez, 1985).

    All steps are queued without waiting for the device; the selection stays there until the end. The device holds the
    features and 12 bytes per row.

    Args:
        features: float32 [rows, channels].
        n_select: Number of rows to select, in 1..rows.
        first: Number of the first row.
        device: A PyTorch device.
        description: Label of the progress bar; None shows no bar.

    Returns:
        int64 [n_select] distinct row numbers in the order of selection.
    """
    import torch

    rows = torch.tensor(features, device=device)
    norms = torch.einsum("ij,ij->i", rows, rows)
    squared_distance = torch.full_like(norms, torch.inf)
    to_centre = torch.empty_like(norms)
    selected = torch.empty(n_select, dtype=torch.int64, device=device)
    farthest = torch.full((1,), first, device=device)
    centre = torch.empty_like(rows[:1])
    for start in progress(range(0, n_select, STEPS_PER_REPORT), description):
        for step in selected[start : start + STEPS_PER_REPORT].split(1):
            step.copy_(farthest)
            torch.index_select(rows, 0, farthest, out=centre)
            torch.addmv(norms, rows, centre[0], alpha=-2, out=to_centre)
            to_centre += norms.index_select(0, farthest)
            torch.minimum(squared_distance, to_centre, out=squared_distance)
            squared_distance.index_fill_(0, farthest, -torch.inf)
            torch.argmax(squared_distance, dim=0, keepdim=True, out=farthest)
    return selected.cpu().numpy()
