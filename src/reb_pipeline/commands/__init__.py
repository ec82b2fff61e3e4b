"""Command ``reb``: from photos of good parts to verdicts on new ones.

- ``main``: the command with its sub-commands; each is imported when it is called;
- ``train``: from photos to a model, by a run of the project;
- ``update``, ``calibrate``: changes of a model that ``train`` made;
- ``detector``: ``train`` as a function, for notebooks;
- ``drift``: comparison of inspected parts with the calibration;
- ``prune``: what runs stored, and its removal;
- ``doctor``: check of the installation;
- ``kedro``: Kedro, loaded quietly.

``reb inspect`` is in :mod:`reb_pipeline.inspection.cli`, ``reb serve`` in :mod:`reb_pipeline.service.cli`; these need
neither Kedro nor PyTorch.
"""
