"""Detectors other than the pipeline's own, behind one interface; know nothing of Kedro.

- ``interface``: features in, scores out;
- ``memory_bank``: the patch scorers over one search of a memory bank;
- ``gaussian``: GDE and PaDiM;
- ``spade``: nearest good images, then nearest patches within them;
- ``multiscale``: one memory bank a layer, side by side;
- ``hierarchical``: one a layer, the coarser telling where to search the finer;
- ``reconstruction``: networks trained to reconstruct good images or their features;
- ``hybrid``: a memory bank and a reconstruction, fused;
- ``registry``: all of them by name.
"""
