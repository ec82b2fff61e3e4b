"""Pipelines of the project: each package has its DAG (``pipeline.py``), its thin nodes (``nodes.py``) and a README."""
