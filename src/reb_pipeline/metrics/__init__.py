"""How well scores separate good from anomalous; higher score = more anomalous, label 1 = anomalous.

* :mod:`reb_pipeline.metrics.image`: one score an image.
* :mod:`reb_pipeline.metrics.pixel`: one score a pixel, streamed; plain and saturated regions.
"""
