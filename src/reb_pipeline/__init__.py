"""REB as a Kedro project: learns the appearance of good parts from images, and marks deviations."""

import os

from reb_pipeline.core import moved

# PyTorch and FAISS have a thread pool each; spinning idle threads would take the cores from the other pool.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# OpenCV's threads do not survive a fork: processes of ParallelRunner would wait for them for ever.
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")

__version__ = "0.1.0"

moved.install()
