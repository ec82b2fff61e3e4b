"""From good images that the memory bank has not seen to thresholds that keep a false-alarm rate.

* :mod:`reb_pipeline.calibration.conformal`: p-values and thresholds with a finite-sample guarantee.
* :mod:`reb_pipeline.calibration.record`: the record of a calibration, and what it promises in words.
* :mod:`reb_pipeline.calibration.drift`: whether inspected parts are still those of a calibration.
"""
