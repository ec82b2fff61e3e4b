"""Metrics of image scores and anomaly maps; a higher score is more anomalous, label 1 is anomalous.

* :mod:`reb_pipeline.metrics.image`: metrics of one score per image, and their table.
* :mod:`reb_pipeline.metrics.pixel`: metrics of one score per pixel, computed in streams; plain and saturated regions.
* :mod:`reb_pipeline.metrics.metric`: an entry of these tables.
* :mod:`reb_pipeline.metrics.registry`: all metrics; reports, tables and figures read it.
* :mod:`reb_pipeline.metrics.score_bins`: the bins that pixel scores are counted in.
* :mod:`reb_pipeline.metrics.report`: all metrics of one category.
* :mod:`reb_pipeline.metrics.summary`: the metrics of all categories, with means.
* :mod:`reb_pipeline.metrics.significance`: tests of differences of AUROC, and confidence intervals.
"""
