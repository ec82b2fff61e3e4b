"""Self-supervised fine-tuning of a backbone on synthetic defects; imports no Kedro.

- ``task``: good images and their synthetic defects, drawn in worker processes;
- ``network``: the backbone with a classification head, and the selection of layers that train;
- ``settings``: budgets, learning rates, loss;
- ``training``: the training loop, its checkpoints and its history;
- ``adapt``: the fine-tuning of the backbone of a category, from samples to weights.
"""
