"""Synthetic defects on good images (REB paper section 3.1); knows nothing of Kedro.

A defect is a shape x a fill x a fusion; each is one function and one line in its registry:

- ``shapes``: where a defect is, as the mask of a box (``SHAPES``);
- ``fills``: what it is made of, as pixels of that box (``FILLS``), of noise, other good images or textures;
- ``fusion``: how the two are laid over the image (``FUSIONS``);
- ``saliency``: where on the image a defect may be (``SALIENCY``);
- ``color``: the colour jitter that every fill gets;
- ``images``: reading image files, and the pixel scale of an image;
- ``maker``: all of it together, a defect with its mask and recipe, reproducible from a seed;
- ``records``, ``good_images``: what is kept of saliency and defects; the images of a category, opened when asked for;
- ``settings``, ``synthesis``: from the samples of a category to saliency maps and synthetic defects.
"""
