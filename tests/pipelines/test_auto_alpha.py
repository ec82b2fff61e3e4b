"""`scoring.alpha: auto`: fitted to the bank's own images, said in the log and above the density figure."""

import json

import numpy as np
import pandas as pd
import pytest

import miniatures
from conftest import SMALL, newest, read_json
from reb_pipeline.core.errors import InputError
from reb_pipeline.memory_bank.bank import Coreset, collect_patches
from reb_pipeline.memory_bank.density import LocalDensity
from reb_pipeline.memory_bank.nearest_patches import NearestPatches
from reb_pipeline.pipelines.evaluation.nodes import draw_density
from reb_pipeline.pipelines.ldknn_density import nodes
from reb_pipeline.pipelines.ldknn_density.nodes import fit_detector
from reb_pipeline.scoring.alpha import fit_alpha
from reb_pipeline.scoring.settings import ScoringSettings

K = 3
PARAMS = {
    **SMALL,
    "features": {**SMALL["features"], "image_size": 128},  # 256 patches an image
    "ssl_finetune": {"enabled": False},
    "memory_bank": {"coreset_ratio": 0.2},
}


def arrays(folder, name):
    """An archive's arrays, and its other values."""
    archive = np.load(newest(folder, name))
    return archive, json.loads(archive["metadata"].item())


def make_elpv(root):
    return miniatures.make_elpv(root, good=50)


def make_mvtec_ad(root):
    miniatures.make_mvtec_ad(root)
    miniatures.write_good(root / "screw/train/good", 21)
    return root


@pytest.mark.parametrize(
    ("env", "make", "category"), [("elpv", make_elpv, "mono"), ("mvtec_ad", make_mvtec_ad, "screw")]
)
def test_alpha_is_fitted_to_the_bank_s_own_images(
    run_project, tmp_path, messages_of, env, make, category
):
    scoring = {"n_neighbors": K, "per_category": {category: {"alpha": "auto"}}}
    params = {"data_root": str(make(tmp_path / "images")), **PARAMS, "scoring": scoring}

    messages = messages_of(nodes.logger)
    out = run_project(env, params, namespaces=[category])

    models, results = out / "06_models" / category, out / "07_model_output" / category
    good, about = arrays(models, "own_patches.npz")
    samples = pd.read_parquet(newest(out / "03_primary" / category, "samples.parquet"))
    own = samples.set_index("id").loc[about["image_ids"]]
    assert own[["split", "label"]].drop_duplicates().to_numpy().tolist() == [["train", 0]]
    assert good["squared_distances"].min() > 0  # no patch is compared with itself
    local = LocalDensity(arrays(models, "local_density.npz")[0]["squared_distances"], "")
    alpha = fit_alpha(good["squared_distances"][..., 0], good["rows"][..., 0], local, n_neighbors=K)
    assert alpha > 0
    assert f"alpha = {alpha:.2f}, fitted to good images, each compared with the others" in messages
    error = arrays(models, "detector.npz")[1]["alpha_error"]
    assert error > 0
    assert (
        f"standard error of alpha: {error:.2f}, of a bootstrap over {len(own)} images" in messages
    )
    tested, _ = arrays(results, "nearest_patches.npz")
    usual = local.mean_distance(K, squared=True)[tested["rows"][..., 0]]
    np.testing.assert_allclose(
        arrays(results, "anomaly_maps.npz")[0]["patch_scores"],
        tested["squared_distances"][..., 0] - alpha * usual,
        rtol=1e-4,
        atol=1e-4,
    )
    figure = read_json(out / "08_reporting" / category, "density_figure.json")
    assert figure["layout"]["title"]["text"].endswith(f"alpha = {alpha:.2f}")
    *shown, fitted = [trace["name"] for trace in figure["data"]]
    assert shown == ["held-out good images", "farthest of anomalous images", "α = 1"]
    assert fitted.endswith("fitted to good patches")  # those that are shown, not the bank's own


def test_one_good_image_runs_but_not_with_auto(run_project, tmp_path):
    root = miniatures.make_mvtec_ad(tmp_path / "images")
    for other in sorted((root / "screw/train/good").glob("0*.png"))[1:]:
        other.unlink()
    params = {"data_root": str(root), **PARAMS}

    out = run_project("mvtec_ad", params, namespaces=["screw"])

    figure = read_json(out / "08_reporting/screw", "density_figure.json")
    assert [trace["name"] for trace in figure["data"]][2:] == ["α = 1"]
    again = {"from_nodes": ["screw.ldknn_density.fit_detector"], "namespaces": ["screw"]}
    auto = {**params, "scoring": {"alpha": "auto"}}
    with pytest.raises(InputError, match=r"alpha = auto needs at least 3 .* are 0 .*: give"):
        run_project("mvtec_ad", auto, **again)
    auto["scoring"]["scorer"] = "nearest"  # which has no alpha to fit
    run_project("mvtec_ad", auto, **again)


def test_held_out_patches_of_another_coreset_are_refused():
    patches = (1, 16, 16, 1)
    feature = np.ones((1, 2), np.float32)
    nearest = NearestPatches(
        np.ones(patches, np.float32),
        np.zeros(patches, np.int32),
        feature,
        feature,
        ["a"],
        "another",
    )
    bank = collect_patches([("a", np.ones((1, 2, 2), np.float32))], 1, {})
    local = LocalDensity(np.ones((2, 2), np.float32), bank.fingerprint)
    scoring = ScoringSettings(n_neighbors=1, max_neighbors=2, alpha="auto")
    refusal = r"is that of another coreset .*: run the pipeline ldknn_density again\.$"
    with pytest.raises(InputError, match=refusal):
        fit_detector(bank, Coreset(np.arange(2), 2), local, nearest, scoring)
    detector = fit_detector(
        bank, Coreset(np.arange(2), 2), local, nearest, scoring.model_copy(update={"alpha": 1.0})
    )
    scores = pd.DataFrame({"id": ["a"], "label": [1]})
    with pytest.raises(InputError, match=refusal):
        detector.score(nearest)
    with pytest.raises(InputError, match=refusal):
        draw_density(scores, nearest, nearest, detector, "screw")
