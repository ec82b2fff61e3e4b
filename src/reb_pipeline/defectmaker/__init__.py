"""Synthetic defects on good images (REB paper section 3.1); imports no Kedro.

A defect combines a shape, a fill and a fusion. Each of them is one function and one line in its registry:

- ``shapes``: the outline of a defect, as the mask of a box (``SHAPES``);
- ``fills``: the pixels of that box: noise, or cut from other good images or textures (``FILLS``);
- ``fusion``: methods that blend the fill into the image (``FUSIONS``);
- ``saliency``: the region of the image that may bear a defect (``SALIENCY``);
- ``color``: the colour jitter that every fill gets;
- ``images``: reading image files, and the pixel scale of an image;
- ``streams``: one random stream for each purpose: training, validation, selection, figures;
- ``maker``: ``DefectMaker``, which makes a defect with its mask and recipe, reproducible from purpose and seed;
- ``records``: stored saliency maps and synthetic defects;
- ``good_images``: the good images of a category with their saliency, opened lazily;
- ``settings``, ``synthesis``: settings, and the steps from samples to saliency maps and synthetic defects.
"""
