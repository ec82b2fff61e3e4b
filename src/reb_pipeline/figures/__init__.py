"""Figures of scores and anomaly maps, returned unsaved.

* :mod:`reb_pipeline.figures.curves`: ROC curve and histogram of the image scores (plotly).
* :mod:`reb_pipeline.figures.examples`: images beside their anomaly maps (matplotlib).
* :mod:`reb_pipeline.figures.summary`: metrics by category (plotly).
"""
