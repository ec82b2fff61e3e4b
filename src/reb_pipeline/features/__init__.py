"""From images to patch features; knows nothing of Kedro.

- ``backbones``: pre-trained networks, their weights and the layers tapped;
- ``neck``: local pooling and fusion of the tapped layers into one feature a patch;
- ``weights``, ``adapted``: where weights are read from; those of a category's backbone;
- ``extractor``: both together, over images in batches.
"""
