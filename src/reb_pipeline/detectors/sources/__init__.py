"""Sources of features for detectors.

- ``encoder``: a backbone and everything that can be asked of it;
- ``fresh``: features extracted anew at every call;
- ``cached``: features kept by the content of image, weights and extractor.
"""
