"""Memory bank of good patches, its coreset and its local density; plain arrays in, plain arrays out.

- ``distances``: distances between features, as spaces that features are transformed to;
- ``grids``: check of streamed grids of features;
- ``bank``: features of good patches, with the image and position of each;
- ``coreset``: selection of a share of the bank, within a memory budget;
- ``density``: local density of the coreset's rows (REB section 3.3);
- ``nearest_patches``: nearest coreset rows of the patches of images;
- ``held_out``: search with the bank's own images, without their own rows;
- ``update``: update of a bank by added and removed images;
- ``settings``: distance and coreset size.
"""
