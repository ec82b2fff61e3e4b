"""Learns what good parts look like and marks what deviates: the REB method as a Kedro project."""

import os

from reb_pipeline.core import moved

# PyTorch and FAISS bring a pool of threads each; idle threads that spin would take the cores from the other pool.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# OpenCV's threads do not survive a fork: the processes of ParallelRunner would wait for them for ever.
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")

__version__ = "0.1.0"

moved.install()
