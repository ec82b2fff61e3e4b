"""This project beside anomalib: see :mod:`benchmarks.peers.__main__`."""
