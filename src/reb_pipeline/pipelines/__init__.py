"""One package a pipeline: its DAG (``pipeline.py``), its thin functions (``nodes.py``) and a README."""
