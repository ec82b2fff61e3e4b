"""The memory bank of good patches, its coreset and its local density; plain arrays in, plain arrays out.

- ``distances``: distances between features, as spaces that features are transformed to;
- ``bank``: features of good patches and where each came from;
- ``coreset``: a share of the bank, within a memory budget;
- ``density``: local density of the coreset's rows (REB section 3.3);
- ``nearest_patches``: nearest coreset rows of the patches of images;
- ``held_out``: images of the bank searched as if they were not in it;
- ``update``: a bank that gains and loses images;
- ``settings``: its distance and coreset size.
"""
