"""Comparisons over detectors, representations and settings.

* :mod:`reb_pipeline.parameters.configurations`: the settings that are compared, and their grids.
* :mod:`reb_pipeline.core.content_cache`: results kept by what they depend on.
* :mod:`reb_pipeline.studies.rows`: from what was measured to the table of a study.
* :mod:`reb_pipeline.studies.views`: the table as figures and people read it.
* :mod:`reb_pipeline.studies.published`: the numbers of the paper REB.
* :mod:`reb_pipeline.studies.selection`: the choice between ways of scoring without a label.
* :mod:`reb_pipeline.studies.regret`: what such a choice costs against the best there is.
"""
