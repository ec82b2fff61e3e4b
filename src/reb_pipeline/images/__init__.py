"""Image files, the samples of a category, their splits, and the audit of files and splits.

- ``decoding``: from the bytes of an image file to pixels;
- ``headers``: what TIFF and PNG files state about their samples;
- ``value_range``: the range that values of more than 8 bits are mapped from;
- ``arrays``: images as arrays and ``.npy`` files;
- ``folder``: the image files below a folder of any file system;
- ``collection``, ``packed``: the samples of a category, with access to their images and masks;
- ``inventory``: facts about every file, and the audit of these facts;
- ``samples``: selection of the samples for learning, validation and test;
- ``resize``: resizing to the network's input size.
"""
