"""Detection by reconstruction: a network trained on good images cannot reconstruct anomalies; knows nothing of Kedro.

- ``training``: the loop that every network here is trained by;
- ``stored_levels``: the encoder's features of all training images, in files;
- ``feature_decoder``, ``feature_losses``: the network that reconstructs them from the deepest, and its residuals;
- ``features``: from good images to a decoder, and from a decoder to residual maps;
- ``fusion``: from the residual maps of the levels to one; ``residual_maps``: those of many images as a record;
- ``pixel_networks``, ``pixel_losses``, ``pixels``: networks that reconstruct the image itself;
- ``examples``, ``reconstructed_defects``: images of defects, and the share of them that is reconstructed too;
- ``settings``: of the networks, their training and fusion.
"""
