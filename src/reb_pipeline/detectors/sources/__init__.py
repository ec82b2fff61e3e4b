"""Sources of features for detectors.

- ``encoder``: a backbone with all features that it can give;
- ``images``: features of samples, arrays or a folder, extracted at every call;
- ``cached``: features stored under a hash of image, weights and extractor.
"""
