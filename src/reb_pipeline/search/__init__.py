"""Exact nearest neighbours and greedy k-centre selection on plain arrays; knows nothing of patches.

- ``index``: exact nearest neighbours, by the fastest way that a bank allows;
- ``bounds``, ``multi_step``: most rows ruled out by a lower bound of their distance;
- ``flat``: every query compared with every row;
- ``on_device``: the same on a GPU;
- ``k_center``, ``k_center_on_device``: greedy k-centre selection, on CPU and GPU.
"""
