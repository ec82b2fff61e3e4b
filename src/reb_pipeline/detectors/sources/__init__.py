"""Sources of features for detectors.

- ``encoder``: a backbone and everything that can be asked of it;
- ``images``: features extracted anew at every call, of samples, arrays or a folder;
- ``cached``: features kept by the content of image, weights and extractor.
"""
