"""The four arms of the REB paper, one parameter apart, over several seeds.

    python benchmarks/four_arms.py OUT [--env magnetic_tile] [--seeds 0 1 2] [--params name=value,...]

Every arm sees the same split; the seed decides the coreset, the head's first weights and the synthetic defects. A
run that was cut off goes on: results are kept in OUT/<env>.json after every seed. Prints a Markdown table.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from reb_pipeline.parameters.loader import CONF_SOURCE, LOADER_ARGS, ProjectConfigLoader

# Name of each arm, whether the backbone is fine-tuned, alpha.
ARMS = (
    ("ImageNet + KNN", False, 0),
    ("DefectMaker + KNN", True, 0),
    ("LDKNN", False, 1),
    ("REB", True, 1),
)
METRICS = ("image_auroc", "image_ap", "pixel_auroc", "pixel_ap", "au_pro")


def run(env: str | None, params: dict[str, object], from_nodes: list[str]) -> None:
    """One `kedro run`; its output goes to the terminal."""
    command = [sys.executable, "-m", "kedro", "run"]
    command += ["--env", env] if env else []
    command += ["--from-nodes", ",".join(from_nodes)] if from_nodes else []
    command += ["--params", ",".join(f"{name}={value}" for name, value in params.items())]
    subprocess.run(command, check=True)


def measure(
    out: Path, env: str | None, categories: list[str], seed: int, given: dict[str, object]
) -> dict[str, dict[str, dict[str, float]]]:
    """Metrics of the four arms by arm and category: two full runs, each scored with both alphas."""
    results: dict[str, dict[str, dict[str, float]]] = {}
    for tuned in (False, True):
        root = out / f"{env or 'base'}-{seed}-{'tuned' if tuned else 'imagenet'}"
        rescore: list[str] = []
        for name, _, alpha in (arm for arm in ARMS if arm[1] == tuned):
            params = {**given, "seed": seed, "output_root": root, "scoring.alpha": alpha}
            run(env, {**params, "ssl_finetune.enabled": str(tuned).lower()}, rescore)
            rescore = [f"{category}.ldknn_density.fit_detector" for category in categories]
            results[name] = {category: newest_metrics(root, category) for category in categories}
    return results


def newest_metrics(root: Path, category: str) -> dict[str, float]:
    """The metrics that were written last."""
    file = max((root / "08_reporting" / category / "metrics.json").iterdir()) / "metrics.json"
    metrics = json.loads(file.read_text())
    return {name: metrics[name] for name in METRICS if metrics.get(name) is not None}


def table(results: dict[str, dict[str, dict[str, dict[str, float]]]]) -> str:
    """Mean and, after it, lowest and highest of the seeds, in percent."""
    first = next(iter(results.values()))
    lines = []
    for category in first[ARMS[0][0]]:
        names = list(first[ARMS[0][0]][category])
        lines += [f"\n{category}, {len(results)} seeds\n", f"| arm | {' | '.join(names)} |"]
        lines.append("|---" * (1 + len(names)) + "|")
        for arm, _, _ in ARMS:
            cells = []
            for name in names:
                values = [100 * seed[arm][category][name] for seed in results.values()]
                spread = f"{min(values):.2f}–{max(values):.2f}"
                cells.append(f"{statistics.mean(values):.2f} ({spread})")
            lines.append(f"| {arm} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--env")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--params", default="")
    arguments = parser.parse_args()
    given = dict(pair.split("=", 1) for pair in arguments.params.split(",") if pair)
    categories = ProjectConfigLoader(
        str(Path(CONF_SOURCE).resolve()), env=arguments.env, **LOADER_ARGS
    ).categories
    file = arguments.out / f"{arguments.env or 'base'}.json"
    results = json.loads(file.read_text()) if file.is_file() else {}
    for seed in map(str, arguments.seeds):
        if seed not in results:
            results[seed] = measure(arguments.out, arguments.env, categories, int(seed), given)
            file.write_text(json.dumps(results, indent=2))
    sys.stdout.write(f"{table({str(seed): results[str(seed)] for seed in arguments.seeds})}\n")


if __name__ == "__main__":
    main()
