import numpy as np
import pytest

import miniatures
from archives import pack
from reb_pipeline.core.errors import InputError
from reb_pipeline.images.collection import loose_images


@pytest.mark.parametrize("where", ["disk", "memory", "zip", "tar"])
def test_images_of_all_folders_are_listed_and_opened(tmp_path, where):
    folder = tmp_path / "day two"
    miniatures.write_good(folder, 2)
    miniatures.write_good(folder / "late", 1, ".jpg", seed=5)
    miniatures.write_good(folder, 1, ".bmp")  # differs from 000.png in nothing else
    for stray in ("notes.txt", "._000.png", ".hidden/000.png"):
        (folder / stray).parent.mkdir(exist_ok=True)
        (folder / stray).write_bytes(b"stray")
    address = {
        "disk": str,
        "memory": lambda path: miniatures.copy_to_memory(path, "day two"),
        "zip": lambda path: pack(path, "zip"),
        "tar": lambda path: pack(path, "tar", "day two"),
    }[where](folder)

    images = loose_images(address)

    ids = ["000.bmp", "000.png", "001.png", "late/000.jpg"]
    assert [sample.id for sample in images.samples] == ids
    assert images.category == ("day two.zip" if where == "zip" else "day two")
    assert loose_images(address, "screw").category == "screw"
    assert images.table["path"].tolist() == ids
    for path in ("001.png", images.address("001.png")):  # added to other images it has its address
        np.testing.assert_array_equal(images.open_image(path), miniatures.draw_part(1)[0])


def test_a_folder_without_images(tmp_path):
    with pytest.raises(InputError, match="holds no image"):
        loose_images(str(tmp_path))
    with pytest.raises(InputError, match="is no folder"):
        loose_images(str(tmp_path / "nowhere"))
