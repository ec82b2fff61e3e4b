"""Further detectors besides the memory bank's (:mod:`reb_pipeline.scoring.detector`), with one interface; no Kedro.

- ``interface``: the interface, from features to scores;
- ``gaussian``: GDE and PaDiM, whose fitted parts are in :mod:`reb_pipeline.scoring.gaussians`;
- ``spade``: nearest good images, then nearest patches in them;
- ``multiscale``: one memory bank per layer, searched independently;
- ``hierarchical``: one memory bank per layer; neighbours in the coarser limit the search in the finer;
- ``reconstruction``: networks trained to reconstruct good images or their features;
- ``hybrid``: fusion of a memory bank and a reconstruction;
- ``registry``: all detectors by name; ``sources``: sources of their features.
"""
