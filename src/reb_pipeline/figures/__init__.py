"""Figures of scores and anomaly maps, returned unsaved.

* :mod:`reb_pipeline.figures.curves`: ROC curve and histogram of the image scores (plotly).
* :mod:`reb_pipeline.figures.examples`: images beside their anomaly maps (matplotlib).
* :mod:`reb_pipeline.figures.gallery`: every kind of synthetic defect on a part (matplotlib).
* :mod:`reb_pipeline.figures.training`: loss and accuracy of a fine-tuning (plotly).
* :mod:`reb_pipeline.figures.summary`: metrics by category (plotly).
"""
