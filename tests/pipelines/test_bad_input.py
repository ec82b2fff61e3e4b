"""Bad input gets one clear sentence before long work starts, and leaves nothing half-written."""

import shutil

import numpy as np
import pytest

import miniatures
from conftest import SMALL, read_json
from reb_pipeline.core.errors import InputError


def run_mvtec(run_project, root, **params):
    return run_project(
        "mvtec_ad", {"data_root": str(root), **SMALL, **params}, namespaces=["screw"]
    )


@pytest.fixture
def images(tmp_path):
    return miniatures.make_mvtec_ad(tmp_path / "images")


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"features": {"backbone": "resnet19", "image_size": 64}}, "'resnet19' is unknown"),
        ({"features": {"backbone": "timm/nothing", "image_size": 64}}, "no model 'nothing'"),
        ({"features": {**SMALL["features"], "weights": "gone.pth"}}, "'gone.pth'.*does not exist"),
        (
            {"features": {**SMALL["features"], "region": "gone.png"}},
            "'gone.png' cannot be read as a mask",
        ),
        ({"features": {**SMALL["features"], "imagesize": 64}}, "'imagesize'.*did you mean 'image_"),
        ({"ldknn": {"alpha": 0}}, "section 'ldknn' is unknown"),
        ({"scoring": {"alpha": -1}}, r"scoring.alpha cannot be used.*\(given: -1\)"),
        ({"scoring": {"alpha": "atuo"}}, r"scoring.alpha .* number .*, or auto \(given: 'atuo'\)"),
        ({"scoring": {"per_category": {"scrw": {}}}}, "'scrw' is unknown: did you mean 'screw'"),
        (
            {"ssl_finetune": {"per_category": {"scrw": {"enabled": False}}}},
            "Category of ssl_finetune.per_category 'scrw' is unknown: did you mean 'screw'",
        ),
        (
            {"ssl_finetune": {"per_category": {"screw": {"enabled": "perhaps"}}}},
            r"ssl_finetune.enabled cannot be used: .*valid boolean.*\(given: 'perhaps'\)",
        ),
        (
            {"ssl_finetune": {"budget": "large"}},
            r"ssl_finetune.budget cannot be used: .*'paper', 'small' or 'demo' \(given: 'large'\)",
        ),
        (
            {"ssl_finetune": {"demo": {"updates": 0}}},
            r"ssl_finetune.demo.updates cannot be used: .*\(given: 0\)",
        ),
        (
            {"defect_synthesis": {"saliency": "edn"}},
            r"defect_synthesis.saliency cannot be used: .*'grabcut'.*\(given: 'edn'\)",
        ),
        ({"defect_synthesis": {"saliency": "onnx"}}, "saliency = onnx needs saliency_source"),
        (
            {"defect_synthesis": {"saliency": "onnx", "saliency_source": "gone.onnx"}},
            "Saliency model 'gone.onnx' is missing or not one that OpenCV can run",
        ),
        (
            {"defect_synthesis": {"saliency": "folder", "saliency_source": "gone"}},
            "Saliency folder 'gone' does not exist",
        ),
        (
            {"defect_synthesis": {"fills": ["noise", "texture"]}},
            "the fill texture needs texture_folder",
        ),
        (
            {"defect_synthesis": {"fills": ["texture"], "texture_folder": "gone"}},
            "Texture folder 'gone' does not exist",
        ),
        (
            {"defect_synthesis": {"fills": ["texture"], "texture_folder": "conf"}},
            "Texture folder 'conf' holds no image",
        ),
    ],
)
def test_bad_parameter_writes_nothing(run_project, images, tmp_path, params, sentence):
    with pytest.raises(InputError, match=sentence):
        run_mvtec(run_project, images, **params)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        (
            {"defect_synthesis": {"saliency": "folder", "saliency_source": "gone"}},
            "Saliency folder 'gone' does not exist",
        ),
        ({"compute": {"device": "cuda:99"}}, "compute.device = 'cuda:99' but PyTorch finds"),
        (
            {"features": {**SMALL["features"], "region": [[(0, 0), (1, 0), (1, 1)]]}},
            "looks at whole images: set features.region of screw to null",
        ),
        (
            {"ingestion": {"pose": "rigid"}},
            "sees images as they were taken, and ingestion.pose = rigid of screw",
        ),
        ({"selection": {"grids": [{"detector": ["padim"]}]}}, "the detector padim, which no pip"),
    ],
)
@pytest.mark.parametrize("pipeline", ["studies_arms", "selection"])
def test_studies_and_the_choice_are_checked_before_they_start(
    run_project, images, tmp_path, params, sentence, pipeline
):
    with pytest.raises(InputError, match=sentence):
        run_project(
            "mvtec_ad", {"data_root": str(images), **SMALL, **params},
            namespaces=["screw"], pipeline_names=[pipeline],
        )  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_unknown_namespace(run_project, images, tmp_path):
    with pytest.raises(InputError, match=r"Category 'scrw' .* did you mean 'screw'"):
        run_project("mvtec_ad", {"data_root": str(images), **SMALL}, namespaces=["scrw"])
    assert not (tmp_path / "out").exists()


def test_unknown_pipeline(run_project, tmp_path):
    with pytest.raises(InputError, match=r"Pipeline 'memory' is unknown: .*'memory_bank'"):
        run_project("folder", pipeline_names=["memory"])
    assert not (tmp_path / "out").exists()


def test_unknown_environment(run_project, tmp_path):
    with pytest.raises(InputError, match=r"Environment 'mvtecad' .* did you mean 'mvtec_ad'"):
        run_project("mvtecad")
    assert not (tmp_path / "out").exists()


def test_missing_root(run_project, tmp_path):
    with pytest.raises(InputError, match=r"Data root '.*nowhere' does not exist: set `data_root`"):
        run_mvtec(run_project, tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()


def test_category_that_is_not_there(run_project, tmp_path):
    root = miniatures.make_mvtec_ad(tmp_path / "images", category="bottle")
    with pytest.raises(InputError, match=r"Category 'screw' is not in .*bottle"):
        run_mvtec(run_project, root)
    assert not (tmp_path / "out").exists()


def test_empty_class(run_project, images, tmp_path):
    shutil.rmtree(images / "screw/train/good")
    with pytest.raises(InputError, match="no good training images"):
        run_mvtec(run_project, images)
    assert not (tmp_path / "out").exists()


def test_a_category_without_test_images_is_refused_before_the_training(
    run_project, images, tmp_path
):
    shutil.rmtree(images / "screw/test")
    with pytest.raises(InputError, match=r"'screw' has no test images.*screw\.calibration\.cal"):
        run_mvtec(run_project, images)
    assert not (tmp_path / "out").exists()
    run_project(
        "mvtec_ad", {"data_root": str(images), **SMALL}, to_nodes=["screw.calibration.calibrate"]
    )
    assert (tmp_path / "out/06_models/screw").is_dir()


def test_what_is_not_read_is_in_the_audit(run_project, images):
    (images / "screw/train/good/phone.HEIC").touch()
    out = run_project(
        "mvtec_ad", {"data_root": str(images), **SMALL},
        namespaces=["screw"], pipeline_names=["ingestion"],
    )  # fmt: skip
    audit = read_json(out / "02_intermediate/screw", "audit.json")
    assert audit["not_read"]["other_formats"] == ["screw/train/good/phone.HEIC"]


def test_unreadable_image_is_left_out_and_listed(run_project, images):
    broken = images / "screw/train/good/000.png"
    broken.write_bytes(broken.read_bytes()[:100])
    out = run_mvtec(run_project, images, ingestion={"max_unreadable_share": 0.5})
    audit = read_json(out / "02_intermediate/screw", "audit.json")
    assert list(audit["unreadable"]) == ["screw/train/good/000.png"]


def test_a_list_of_images_to_leave_out_is_checked_before_the_run(run_project, images, tmp_path):
    path = tmp_path / "leave_out.csv"
    for content, fault in (
        ("path", "no column 'image'"),
        ("image\ntrain/good/0000", "did you mean"),
    ):
        path.write_text(content)
        with pytest.raises(InputError, match=fault):
            run_mvtec(run_project, images, ingestion={"leave_out": str(path)})
    assert not (tmp_path / "out").exists()


def test_too_many_unreadable_images_stop_the_run(run_project, images, tmp_path):
    broken = images / "screw/train/good/000.png"
    broken.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"1 of \d+ images .* are unreadable.*000\.png"):
        run_mvtec(run_project, images)
    out = tmp_path / "out"
    assert "unreadable" in read_json(out / "02_intermediate/screw", "audit.json")
    assert not (out / "03_primary").exists()


def test_mask_of_another_size_is_left_out_and_listed(run_project, images):
    mask = sorted((images / "screw/ground_truth").rglob("*.png"))[0]
    miniatures.write_mask(mask, np.ones((10, 12), bool))
    out = run_mvtec(run_project, images)
    audit = read_json(out / "02_intermediate/screw", "audit.json")
    assert len(audit["masks_of_another_size"]) == 1


def test_k_beyond_the_bank(run_project, images, tmp_path):
    with pytest.raises(InputError, match=r"max_neighbors = 1000 but the memory bank has 512 rows"):
        run_mvtec(run_project, images, scoring={"max_neighbors": 1000})
    assert not (tmp_path / "out/07_model_output/screw/scores.parquet").exists()


def test_step_without_its_input(run_project, images):
    with pytest.raises(
        InputError, match=r"screw.backbone' is not there yet.*: run its node.*screw\.ssl_"
    ):
        run_project(
            "mvtec_ad",
            {"data_root": str(images), **SMALL},
            pipeline_names=["ldknn_density"],
            namespaces=["screw"],
        )


def test_bank_of_another_backbone_is_refused(run_project, images):
    run_mvtec(run_project, images)
    with pytest.raises(
        InputError, match="memory bank was made with neck = 'reference', not 'paper'"
    ):
        run_project(
            "mvtec_ad",
            {"data_root": str(images), "features": {**SMALL["features"], "neck": "paper"}},
            pipeline_names=["evaluation"],
            namespaces=["screw"],
        )


def test_density_of_another_coreset_is_refused(run_project, images):
    run_mvtec(run_project, images)
    params = {"data_root": str(images), **SMALL, "memory_bank": {"coreset_ratio": 0.5}}
    run_project("mvtec_ad", params, pipeline_names=["memory_bank"], namespaces=["screw"])
    with pytest.raises(
        InputError, match=r"of another coreset .*run the pipeline ldknn_density again"
    ):
        run_project("mvtec_ad", params, pipeline_names=["evaluation"], namespaces=["screw"])


def test_full_disk_leaves_nothing_half_written(run_project, images, tmp_path, monkeypatch):
    def full_disk(file, array, **options):
        file.write(b"the first bytes")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", full_disk)
    with pytest.raises(Exception, match="No space left on device"):
        run_mvtec(run_project, images)
    assert not [file for file in (tmp_path / "out").rglob("*npz*") if file.is_file()]
    assert not (tmp_path / "out/06_models").exists()
