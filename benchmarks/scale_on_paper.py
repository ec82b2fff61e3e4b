"""Time and cost of a data set on several machines, from measured costs of one image and one category.

    python benchmarks/scale_on_paper.py [costs.json] [--price 1.0]

``costs.json`` overrides the names of UNIT_COSTS. Prints Markdown tables.
"""

import argparse
import heapq
import json
import sys
from dataclasses import dataclass
from pathlib import Path

# Seconds on one machine.
UNIT_COSTS = {
    "start": 10.0,  # a machine, once
    "features_per_image": 0.05,  # a training image to the bank
    "finetuning_per_category": 60.0,
    "coreset_per_category": 5.0,
    "density_per_category": 2.0,
    "search_per_image": 0.1,  # a test image, backbone included
    "figures_per_category": 5.0,
}
# Training and test images of each category of MVTec AD (Bergmann et al., CVPR 2019, table 1).
MVTEC_AD = {
    "carpet": (280, 117), "grid": (264, 78), "leather": (245, 124), "tile": (230, 117),
    "wood": (247, 79), "bottle": (209, 83), "cable": (224, 150), "capsule": (219, 132),
    "hazelnut": (391, 110), "metal_nut": (220, 115), "pill": (267, 167), "screw": (320, 160),
    "toothbrush": (60, 42), "transistor": (213, 100), "zipper": (240, 151),
}  # fmt: skip
MACHINES = (1, 4, 16)
PRODUCTS = 10_000
PRODUCT_IMAGES = (200, 20)  # of each product type


@dataclass(frozen=True)
class Plan:
    """Categories shared out over machines."""

    machines: int
    seconds: float  # until the last machine has finished
    busy: float  # of all machines together

    def cost(self, price: float) -> float:
        """Cost of machines that are given back as soon as they are idle."""
        return self.busy / 3600 * price


def category_seconds(train: int, test: int, costs: dict[str, float]) -> float:
    """Seconds of one category on one machine."""
    of_category = sum(value for name, value in costs.items() if name.endswith("_per_category"))
    return of_category + train * costs["features_per_image"] + test * costs["search_per_image"]


def plan(seconds: list[float], machines: int, start: float) -> Plan:
    """The longest category first, always to the machine that is free first (Graham 1969: at most 4/3 of the best)."""
    used = min(machines, len(seconds))
    free = [start] * used
    for each in sorted(seconds, reverse=True):
        heapq.heapreplace(free, free[0] + each)
    return Plan(machines, max(free), sum(free))


def table(title: str, seconds: list[float], costs: dict[str, float], price: float) -> str:
    """Time, speed-up and cost of each number of machines."""
    alone = plan(seconds, 1, costs["start"])
    lines = [
        f"\n{title}\n",
        f"| machines | hours | times as fast | idle | cost at {price:g} an hour |",
        "|---|---|---|---|---|",
    ]
    for machines in MACHINES:
        one = plan(seconds, machines, costs["start"])
        idle = 1 - one.busy / (one.seconds * machines)
        speed = alone.seconds / one.seconds
        cells = f"{one.seconds / 3600:.2f} | {speed:.1f} | {idle:.0%} | {one.cost(price):.2f}"
        lines.append(f"| {machines} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("costs", type=Path, nargs="?")
    parser.add_argument("--price", type=float, default=1.0, help="of a machine for an hour")
    arguments = parser.parse_args()
    given = json.loads(arguments.costs.read_text()) if arguments.costs else {}
    if unknown := given.keys() - UNIT_COSTS.keys():
        parser.error(f"unknown costs {sorted(unknown)}: known are {', '.join(UNIT_COSTS)}")
    costs = {**UNIT_COSTS, **given}
    mvtec = [category_seconds(*images, costs) for images in MVTEC_AD.values()]
    products = [category_seconds(*PRODUCT_IMAGES, costs)] * PRODUCTS
    train, test = (sum(images) for images in zip(*MVTEC_AD.values(), strict=True))
    text = table(
        f"MVTec AD: {len(mvtec)} categories, {train} training, {test} test images",
        mvtec,
        costs,
        arguments.price,
    )
    each = "{} training and {} test images each".format(*PRODUCT_IMAGES)
    text += "\n" + table(f"{PRODUCTS} product types, {each}", products, costs, arguments.price)
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
