"""Exact nearest neighbours and greedy k-centre selection on plain arrays, independent of images and patches.

- ``index``: exact nearest neighbours, by the fastest method that suits the bank;
- ``bounds``, ``clusters``, ``multi_step``: search that rules out most rows by lower bounds of their distances;
- ``flat``: comparison of every query with every row;
- ``on_device``: nearest neighbours on a GPU;
- ``k_center``, ``k_center_on_device``: greedy k-centre selection, on CPU and GPU;
- ``upper_bounds``: upper bounds that leave most rows out of the selection.
"""
