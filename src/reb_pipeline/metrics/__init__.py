"""Metrics of image scores and anomaly maps; higher score = more anomalous, label 1 = anomalous.

* :mod:`reb_pipeline.metrics.image`: one score an image; the table of these metrics.
* :mod:`reb_pipeline.metrics.pixel`: one score a pixel, streamed; plain and saturated regions; their tables.
* :mod:`reb_pipeline.metrics.metric`: an entry of these tables.
* :mod:`reb_pipeline.metrics.registry`: all metrics; reports, tables and figures read it.
* :mod:`reb_pipeline.metrics.score_bins`: the bins that pixel scores are counted in.
* :mod:`reb_pipeline.metrics.report`: all metrics of one category.
* :mod:`reb_pipeline.metrics.summary`: those of all categories, with means.
* :mod:`reb_pipeline.metrics.significance`: tests of differences of AUROC, and intervals.
"""
