import pytest
import torch

from reb_pipeline.finetuning.settings import MIN_LEARNING_RATE
from tiny_finetuning import make_settings


def test_learning_rate_is_the_reference_s_schedule():
    settings = make_settings(updates=300)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.03)
    schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 330, eta_min=1e-5)
    expected = []
    for _ in range(300):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    rates = [settings.anneal(0.03, update) for update in range(300)]
    assert rates == pytest.approx(expected, rel=1e-9)
    assert rates[0] == 0.03
    assert rates[-1] == pytest.approx(6.6e-4, rel=0.01)


@pytest.mark.parametrize("updates", [1, 7, 100])
def test_other_lengths_end_at_the_same_share_of_the_cosine(updates):
    settings = make_settings(updates=updates)
    of_reference = make_settings(updates=300)
    end = settings.anneal(0.03, updates)
    assert end == pytest.approx(of_reference.anneal(0.03, 300))
    rates = [settings.anneal(0.03, update) for update in range(updates + 1)]
    assert rates == sorted(rates, reverse=True)
    assert end > MIN_LEARNING_RATE


def test_images_per_update():
    assert make_settings(images_per_pass=48, passes_per_update=3).images_per_update == 144
