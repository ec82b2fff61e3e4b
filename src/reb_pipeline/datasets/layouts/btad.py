"""Layout of BTAD."""

from reb_pipeline.datasets.layouts.mvtec_ad import MVTecADDataset


class BTADDataset(MVTecADDataset):
    """BTAD: `<category>/{train/ok, test/ok, test/ko}`, masks `ground_truth/ko/<stem>`, BMP or PNG files.

    Example:
        An entry of the catalog:

        ```yaml
        "{category}.raw_images":
          type: reb_pipeline.datasets.BTADDataset
          path: data/01_raw
          category: "{category}"
        ```
    """

    _good_folder = "ok"
