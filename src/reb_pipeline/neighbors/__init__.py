"""From patch features to anomaly scores; plain arrays in, plain arrays out.

- ``distances``: distances between features, as spaces that features are brought to;
- ``bank``: the memory bank, features of good patches and where each came from;
- ``coreset``: a share of the bank, within a memory budget;
- ``k_center``, ``coreset_on_device``: greedy k-centre selection, on CPU and GPU;
- ``index``: exact nearest neighbours, the fastest way a bank allows;
- ``bounds``, ``multi_step``: most rows ruled out by a lower bound of their distance;
- ``flat``: every query compared with every row;
- ``on_device``: the same on a GPU;
- ``search``: searches of images and of the bank's own rows;
- ``density``: local density of the bank's rows;
- ``held_out``: images of the bank, judged as if they were not in it;
- ``scoring``: LDKNN, the three readings of its score;
- ``alpha``: LDKNN's alpha, fitted without labels;
- ``scorers``: the family of patch scores over one search;
- ``image_scores``: image scores;
- ``maps``: anomaly maps at image resolution.
"""
