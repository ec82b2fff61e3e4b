"""Detection by reconstruction: what a network trained on good images cannot draw is anomalous; knows nothing of Kedro.

- ``training``: the loop that every network here is trained by;
- ``stored_levels``: the encoder's features of all training images, in files;
- ``feature_decoder``, ``feature_losses``: the network that reconstructs them from the deepest, and its residuals;
- ``features``: from good images to a decoder, and from a decoder to residual maps;
- ``fusion``: from the residual maps of the levels to one; ``residual_maps``: those of many images as a record;
- ``pixel_networks``, ``pixel_losses``, ``pixels``: networks that reconstruct the image itself;
- ``reconstructed_defects``: how much of a defect they draw as well.
"""
