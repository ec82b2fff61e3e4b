"""Learns what good parts look like and marks what deviates: the REB method as a Kedro project."""

import os

# PyTorch and FAISS bring a pool of threads each; idle threads that spin would take the cores from the other pool.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
