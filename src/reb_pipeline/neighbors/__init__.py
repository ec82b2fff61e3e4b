"""From patch features to anomaly scores; plain arrays in, plain arrays out.

- ``distances``: distances between features, as spaces that features are brought to;
- ``bank``: the memory bank, features of good patches and where each came from;
- ``coreset``: greedy k-centre selection;
- ``search``: exact nearest neighbours;
- ``density``: local density of the bank's rows;
- ``held_out``: images of the bank, judged as if they were not in it;
- ``scoring``: LDKNN, the three readings of its score;
- ``alpha``: LDKNN's alpha, fitted without labels;
- ``scorers``: the family of patch scores over one search;
- ``image_scores``: image scores;
- ``maps``: anomaly maps at image resolution.
"""
