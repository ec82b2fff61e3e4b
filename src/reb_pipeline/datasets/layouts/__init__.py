"""Datasets of raw images, one module for each layout of folders or files.

Bases of the layouts:

- ``base``: one category of a folder of images, for layouts with a split of their own;
- ``seeded_split``: layouts without a split, whose good images are drawn by seed;
- ``one_vs_rest``, ``packed_files``: ten classes of small images, packed in a few files, one of them good.
"""
