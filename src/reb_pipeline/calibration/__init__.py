"""Thresholds with a guaranteed false-alarm rate, from good images that the memory bank has not seen.

* :mod:`reb_pipeline.calibration.conformal`: p-values and thresholds with a finite-sample guarantee.
* :mod:`reb_pipeline.calibration.record`: the stored calibration, and its guarantee in words.
* :mod:`reb_pipeline.calibration.parts`: several views of one part.
* :mod:`reb_pipeline.calibration.verdicts`: the vocabulary of verdicts, and the rule that gives one.
* :mod:`reb_pipeline.calibration.drift`: tests that compare inspected parts with the calibration set.
"""
