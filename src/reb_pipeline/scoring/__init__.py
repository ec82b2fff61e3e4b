"""From nearest coreset rows to anomaly scores; plain arrays in, plain arrays out.

- ``ldknn``: LDKNN and its three score forms (REB section 3.4);
- ``alpha``: LDKNN's alpha, fitted without labels;
- ``patch_scores``: LDKNN and the other patch scores of REB's Table 6;
- ``image_scores``: patch scores to image scores;
- ``anomaly_maps``: patch scores to maps at image resolution;
- ``detector``: the fitted memory-bank detector, which combines all of the above;
- ``gaussians``: the fitted detectors GDE and PaDiM;
- ``detection``: the scores of any detector;
- ``settings``: settings of patch scores, image scores and maps;
- ``surprise``: scores of several detectors in one unit.
"""
