"""Detection by reconstruction: a network trained on good images fails to reconstruct anomalies; imports no Kedro.

- ``training``: the training loop of all networks here;
- ``stored_levels``: the encoder's features of all training images, in files;
- ``feature_decoder``, ``feature_losses``: the network that reconstructs these features, and its residuals;
- ``features``: training of a decoder on good images, and residual maps by a decoder;
- ``fusion``: fusion of the residual maps of the levels to one map;
- ``residual_maps``: the stored residual maps of many images;
- ``pixel_networks``, ``pixel_losses``, ``pixels``: networks that reconstruct the image itself;
- ``examples``, ``reconstructed_defects``: example images of defects, and the share of a defect that is reconstructed;
- ``settings``: settings of the networks, their training and fusion.
"""
