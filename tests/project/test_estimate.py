"""The estimate of the time of a training counts what the training does."""

import pytest

from reb_pipeline.defectmaker.settings import DefectSynthesisSettings
from reb_pipeline.finetuning.settings import SSLFinetuneSettings
from reb_pipeline.project.estimate import _finetuned_images, time_text


@pytest.mark.parametrize("budget", ["demo", "small", "paper"])
def test_images_of_the_fine_tuning(budget):
    settings = SSLFinetuneSettings(budget=budget)
    defects = DefectSynthesisSettings()
    chosen = settings.chosen
    drawn = 1 + len(defects.shapes) * len(defects.fills)  # each image, and its defects
    images = chosen.updates * chosen.passes_per_update * chosen.images_per_pass * drawn
    sections = {"ssl_finetune": settings, "defect_synthesis": defects}
    assert _finetuned_images(sections, chosen.image_size) == images
    assert _finetuned_images(sections, 2 * chosen.image_size) == images / 4
    sections["ssl_finetune"] = settings.model_copy(update={"enabled": False})
    assert _finetuned_images(sections, 256) == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "about a minute"),
        (100, "about 2 minutes"),
        (5000, "about 83 minutes"),
        (6000, "about 1.7 hours"),
    ],
)
def test_a_time_in_words(seconds, text):
    assert time_text(seconds) == text
