"""Detectors beside the memory bank's (:mod:`reb_pipeline.scoring.detector`), behind one interface; no Kedro.

- ``interface``: features in, scores out;
- ``gaussian``: GDE and PaDiM;
- ``spade``: nearest good images, then nearest patches within them;
- ``multiscale``: one memory bank a layer, side by side;
- ``hierarchical``: one memory bank a layer; the coarser decides where to search the finer;
- ``reconstruction``: networks trained to reconstruct good images or their features;
- ``hybrid``: a memory bank and a reconstruction, fused;
- ``registry``: all of them by name; ``sources``: where their features come from.
"""
