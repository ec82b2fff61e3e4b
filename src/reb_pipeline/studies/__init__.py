"""Comparisons of detectors, representations and settings; independent of Kedro.

* :mod:`reb_pipeline.parameters.configurations`: the settings that are compared, and their grids.
* :mod:`reb_pipeline.studies.sections`: the parameters of a category; a configuration replaces some of them.
* :mod:`reb_pipeline.studies.experiment`: detectors on one category; shared work is done once.
* :mod:`reb_pipeline.studies.groups`, :mod:`~reb_pipeline.studies.representations`,
  :mod:`~reb_pipeline.studies.category_features`, :mod:`~reb_pipeline.studies.searches`,
  :mod:`~reb_pipeline.studies.costs`: its parts.
* :mod:`reb_pipeline.studies.measure`: metrics of configurations on the test images.
* :mod:`reb_pipeline.studies.rows`, :mod:`~reb_pipeline.studies.views`: the table of a study, and its display.
* :mod:`reb_pipeline.studies.published`: the numbers of the paper REB.
* :mod:`reb_pipeline.studies.selection`, :mod:`~reb_pipeline.studies.candidates`: the choice without labels.
* :mod:`reb_pipeline.studies.regret`, :mod:`~reb_pipeline.studies.choices`: the regret of this choice.
"""
