"""BTAD."""

from reb_pipeline.datasets.layouts.mvtec_ad import MVTecADDataset


class BTADDataset(MVTecADDataset):
    """BTAD: `<category>/{train/ok, test/ok, test/ko}`, `ground_truth/ko/<stem>`, BMP or PNG files."""

    _good_folder = "ok"
