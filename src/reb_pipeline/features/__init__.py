"""From images to patch features; knows nothing of Kedro.

- ``backbones``: pre-trained networks, their weights and the layers tapped;
- ``neck``: local pooling and fusion of the tapped layers into one feature a patch;
- ``weights``, ``adapted``: where weights are read from; those of a category's backbone;
- ``network``: both together as one network, from pixels to patch features;
- ``engines``: what computes it, PyTorch or OpenVINO; ``tiles``: large images piece by piece;
- ``extractor``: all of it, over images in batches;
- ``levels``: features of several levels, each on its own grid, for the reconstruction of features;
- ``onnx_export``, ``openvino_core``: a network as an ONNX file; OpenVINO's core;
- ``settings``: settings of the features.
"""
