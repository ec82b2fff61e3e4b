"""Datasets of raw images, one module per layout of folders or files.

Base classes of the layouts:

- ``base``: one category of a folder of images, for layouts with their own split;
- ``seeded_split``: layouts without a split; good images are assigned by seed;
- ``one_vs_rest``, ``packed_files``: ten classes of small images, packed in a few files; one class is good.
"""
