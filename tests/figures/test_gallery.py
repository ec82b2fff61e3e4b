import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reb_pipeline.core.errors import InputError
from reb_pipeline.defectmaker.fills import Donor
from reb_pipeline.defectmaker.fusion import FUSIONS
from reb_pipeline.defectmaker.maker import DefectKind, DefectMaker
from reb_pipeline.defectmaker.shapes import SHAPES
from reb_pipeline.defectmaker.streams import Purpose
from reb_pipeline.figures.gallery import GalleryCell, draw_gallery, gallery_figure


def make_cell(size, box):
    """A random image with a defect of box (top, left, height, width)."""
    top, left, height, width = box
    mask = np.zeros(size, bool)
    mask[top : top + height, left : left + width] = True
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    return GalleryCell(image, mask)


def shown(axis):
    """Rows and columns of the image that a cell shows."""
    west, east, lower, upper = axis.images[0].get_extent()
    return upper, lower, west, east


def marks(axis):
    """Rows and columns of the corners that are marked."""
    return sorted((line.get_ydata()[1], line.get_xdata()[1]) for line in axis.lines)


@pytest.mark.parametrize(
    ("box", "window"),
    [
        ((40, 50, 20, 10), (20, 80, 25, 85)),  # three times the longer side, around the box
        ((50, 50, 2, 2), (31, 71, 31, 71)),  # not below 40 % of the side
        ((90, 0, 20, 20), (60, 120, 0, 60)),  # moved inside
        ((0, 10, 100, 30), (0, 120, 0, 120)),  # not above the whole image
    ],
)
def test_cell_shows_three_times_the_defect(box, window):
    size = 120 if window[1] == 120 else 100
    cell = make_cell((size, size), box)
    figure = gallery_figure([[cell]], ["scar"], ["noise"], "Defects")
    (axis,) = figure.axes
    assert shown(axis) == window
    top, bottom, left, right = window
    assert np.array_equal(axis.images[0].get_array(), cell.image[top:bottom, left:right])
    assert (axis.get_xlim(), axis.get_ylim()) == ((left, right), (bottom, top))


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_defect_is_shown_whole_between_its_marks(data):
    height, width = (data.draw(st.integers(1, 60)) for _ in range(2))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    box = (
        top, left, data.draw(st.integers(1, height - top)), data.draw(st.integers(1, width - left))
    )  # fmt: skip
    cell = make_cell((height, width), box)
    (axis,) = gallery_figure([[cell]], ["scar"], ["noise"], "Defects").axes
    bottom, right = top + box[2], left + box[3]
    upper, lower, west, east = shown(axis)
    assert 0 <= upper <= top < bottom <= lower <= height
    assert 0 <= west <= left < right <= east <= width
    assert marks(axis) == [(top, left), (top, right), (bottom, left), (bottom, right)]


def test_table_has_its_names_and_title():
    cells = [[make_cell((20, 20), (row, column, 3, 3)) for column in range(3)] for row in range(2)]
    columns = ["cut_paste\npaste", "noise\npaste", "noise\nblend"]
    figure = gallery_figure(cells, ["bezier", "rect"], columns, "bolt: defects")
    assert len(figure.axes) == 6
    assert [axis.get_title() for axis in figure.axes] == [*columns, "", "", ""]
    assert [axis.get_ylabel() for axis in figure.axes] == ["bezier", "", "", "rect", "", ""]
    assert figure.get_suptitle() == "bolt: defects"
    assert [marks(axis)[0] for axis in figure.axes] == [
        (row, column) for row in range(2) for column in range(3)
    ]


def test_names_overlap_neither_each_other_nor_the_cells():
    cells = [[make_cell((20, 20), (5, 5, 3, 3))] * 2] * 2
    columns = ["cut_paste\nblend_softened", "texture\nblend_softened"]
    figure = gallery_figure(cells, ["bezier_clump", "bezier_scar"], columns, "Defects")
    figure.draw_without_rendering()
    cell_boxes = [axis.get_window_extent() for axis in figure.axes]
    texts = [axis.title for axis in figure.axes[:2]]
    texts += [axis.yaxis.label for axis in figure.axes[::2]]
    text_boxes = [text.get_window_extent() for text in texts]
    for index, box in enumerate(text_boxes):
        assert not any(box.overlaps(other) for other in text_boxes[:index] + cell_boxes)
        assert box.x0 >= 0


def test_table_refuses_what_does_not_fit():
    cell = make_cell((20, 20), (5, 5, 3, 3))
    with pytest.raises(ValueError, match=r"shape \(10, 20\) and its image \(20, 20\)"):
        GalleryCell(cell.image, cell.mask[:10])
    with pytest.raises(ValueError, match="mask of a defect is empty"):
        GalleryCell(cell.image, np.zeros((20, 20), bool))
    with pytest.raises(ValueError, match="zip"):
        gallery_figure([[cell]], ["scar"], ["noise", "texture"], "Defects")


def test_gallery_has_every_shape_fill_and_fusion():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (48, 48, 3), dtype=np.uint8) for _ in range(7)]
    donors = [Donor(image, np.ones((48, 48), bool)) for image in images]
    figure = draw_gallery(donors, donors, None, ["noise", "cut_paste"], 3, "Defects")
    looks = [(fill, fusion) for fill in ("noise", "cut_paste") for fusion in FUSIONS]
    names = [f"{fill}\n{fusion}" for fill, fusion in looks]
    assert [axis.get_title() for axis in figure.axes[: len(looks)]] == names
    assert [axis.get_ylabel() for axis in figure.axes[:: len(looks)]] == list(SHAPES)
    assert len(figure.axes) == len(SHAPES) * len(looks)
    # The cell of the second shape and third look, by hand.
    index = len(looks) + 2
    kind = DefectKind(list(SHAPES)[1], *looks[2])
    source = donors[index % 7]
    maker = DefectMaker(donors, purpose=Purpose.FIGURES)
    defect = maker.make(source.image, source.saliency, kind, 3, index)
    upper, lower, west, east = shown(figure.axes[index])
    assert np.array_equal(
        figure.axes[index].images[0].get_array(), defect.image[upper:lower, west:east]
    )


def test_gallery_refuses_an_unknown_fill():
    source = Donor(np.zeros((32, 32, 3), np.uint8), np.ones((32, 32), bool))
    with pytest.raises(InputError, match="Fill 'noize' is unknown: did you mean 'noise'"):
        draw_gallery([source], [], None, ["noize"], 0, "Defects")


def test_each_part_is_opened_once():
    rng = np.random.default_rng(0)
    opened = []

    class Parts(list):
        def __getitem__(self, index):
            opened.append(index)
            return super().__getitem__(index)

    parts = Parts(
        Donor(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8), np.ones((32, 32), bool))
        for _ in range(3)
    )
    draw_gallery(parts, [parts[0]], None, ["noise"], 0, "")
    assert sorted(opened[1:]) == [0, 1, 2]
