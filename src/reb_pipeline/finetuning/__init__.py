"""Self-supervised fine-tuning of a backbone on synthetic defects; knows nothing of Kedro.

- ``task``: good images and their synthetic defects, drawn in worker processes;
- ``network``: the backbone with a classification head, and which of its parts train;
- ``settings``: budgets, learning rates, loss;
- ``training``: the loop, its checkpoints and its history;
- ``adapt``: all of it together, from a category's good images to its backbone.
"""
