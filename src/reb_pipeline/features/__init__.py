"""Patch features of images; independent of Kedro.

- ``backbones``: pre-trained networks, their weights and the tapped layers;
- ``neck``: local pooling and fusion of the tapped layers into one feature per patch;
- ``weights``, ``adapted``: sources of weights; the record of a category's backbone;
- ``network``: backbone and neck as one network, from pixels to patch features;
- ``engines``: computation by PyTorch or OpenVINO; ``tiles``: large images in pieces;
- ``extractor``: patch features of images in batches;
- ``levels``: features of several layers, each on its own grid, for feature reconstruction;
- ``onnx_export``, ``openvino_core``: a network as an ONNX file; OpenVINO's core;
- ``settings``: settings of the features.
"""
