"""Figures of scores, anomaly maps and studies, returned without being saved.

* :mod:`reb_pipeline.figures.curves`: ROC curve and histogram of the image scores (plotly).
* :mod:`reb_pipeline.figures.density`: patch distances over local density (plotly).
* :mod:`reb_pipeline.figures.calibration`: scores of good images and their thresholds (plotly).
* :mod:`reb_pipeline.figures.drift`: scores and features of inspected parts over time (plotly).
* :mod:`reb_pipeline.figures.examples`: images beside their anomaly maps (matplotlib).
* :mod:`reb_pipeline.figures.gallery`: every kind of synthetic defect on a part (matplotlib).
* :mod:`reb_pipeline.figures.residuals`: residual maps of each level beside their fusion (matplotlib).
* :mod:`reb_pipeline.figures.reconstructions`: images beside their reconstructions by autoencoders (matplotlib).
* :mod:`reb_pipeline.figures.training`: loss and accuracy of a fine-tuning (plotly).
* :mod:`reb_pipeline.figures.summary`: metrics by category (plotly).
* :mod:`reb_pipeline.figures.studies`: sweeps, bars and frontiers of the studies (plotly).
* :mod:`reb_pipeline.figures.trade_off`: accuracy of detectors against cost (plotly).
* :mod:`reb_pipeline.figures.comparison`: image scores of two detectors against each other (plotly).
* :mod:`reb_pipeline.figures.page`: metrics and figures in one HTML page.
"""
