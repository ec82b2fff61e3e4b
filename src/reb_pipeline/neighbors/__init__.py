"""From patch features to anomaly scores; plain arrays in, plain arrays out.

- ``bank``: the memory bank, features of good patches and where each came from;
- ``coreset``: greedy k-centre selection;
- ``search``: exact nearest neighbours;
- ``density``: local density of the bank's rows;
- ``scoring``: LDKNN patch scores and image scores;
- ``maps``: anomaly maps at image resolution.
"""
