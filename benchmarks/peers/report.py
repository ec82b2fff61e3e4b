"""Measured rows as a Markdown table and a bar figure."""

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADER = (
    "| phase | work | ours | peer | ratio | range | aim | memory, ours / peer, MiB | share of the limit | remark |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Row:
    """One case, measured.

    Attributes:
        phase: Its phase.
        time: What the worker says of the times.
        memory: MiB that ours and the peer's add at their peaks; None where it failed.
    """

    phase: str
    time: dict[str, Any]
    memory: tuple[float | None, float | None]

    @property
    def ratios(self) -> list[float]:
        """The peer's time over ours, of each repetition."""
        return [
            peer / ours for ours, peer in zip(self.time["ours"], self.time["peer"], strict=True)
        ]

    @property
    def ratio(self) -> float:
        """Ratio of the medians."""
        return statistics.median(self.time["peer"]) / statistics.median(self.time["ours"])

    def markdown(self, limits: dict[str, float]) -> str:
        """A row of the table."""
        ours, peer = (statistics.median(self.time[side]) for side in ("ours", "peer"))
        least = max(
            self.time["flop"] / limits["flops"], self.time["moved"] / limits["bandwidth"]
        )  # seconds
        memory = " / ".join("failed" if mib is None else f"{mib:,.0f}" for mib in self.memory)
        cells = [
            self.phase,
            self.time["work"],
            seconds(ours),
            seconds(peer),
            f"**{self.ratio:.1f}**",
            f"{min(self.ratios):.1f}–{max(self.ratios):.1f}",
            f"{self.time['target']:g}",
            memory,
            f"{100 * least / ours:.0f} %",
            self.time["remark"],
        ]
        return f"| {' | '.join(cells)} |"


def table(rows: list[Row], left_out: list[str], limits: dict[str, float]) -> str:
    """The whole result.

    Args:
        rows: What was measured.
        left_out: A sentence on each case that was not.
        limits: See :func:`benchmarks.peers.limits.measure_limits`.
    """
    about = (
        f"{limits['threads']:.0f} threads; measured limits: {limits['flops'] / 1e9:.0f} GFLOP/s (float32 product of "
        f"2048 x 2048 matrices), {limits['bandwidth'] / 2**30:.1f} GiB/s (copy, read and written). The share of the "
        "limit is the least time that the plain algorithm's operations or bytes would take, over our time: above "
        "100 % most of the work is left out. Memory is what a fresh process adds to what it is given."
    )
    lines = [about, "", HEADER, *(row.markdown(limits) for row in rows)]
    return "\n".join([*lines, *(["", *(f"- {line}" for line in left_out)] if left_out else [])])


def seconds(value: float) -> str:
    """A time with its unit."""
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.1f} ms"


def figure(rows: list[Row], file: Path) -> None:
    """Bars of the ratios with their ranges, and a tick where each should be at least."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    drawing = Figure(figsize=(10, 1.2 + 0.42 * len(rows)), layout="constrained")
    axes = drawing.subplots()
    for position, row in enumerate(rows):
        reached = row.ratio >= row.time["target"]
        axes.barh(position, row.ratio, color="#2a7f62" if reached else "#c2703d", height=0.62)
        axes.hlines(position, min(row.ratios), max(row.ratios), color="#222222", linewidth=1.2)
        axes.vlines(
            row.time["target"], position - 0.42, position + 0.42, color="#222222", linewidth=2.5
        )
        axes.annotate(
            f"{row.ratio:.1f}x",
            (max(*row.ratios, row.time["target"]), position),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
        )
    axes.axvline(1, color="#888888", linewidth=0.8)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.margins(x=0.12)
    axes.set_yticks(range(len(rows)), [f"{row.phase}: {row.time['work']}" for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("times as fast as the peer (median; line: range, tick: aim)")
    axes.spines[["top", "right"]].set_visible(False)
    drawing.savefig(file, dpi=150)
