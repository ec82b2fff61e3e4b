"""Image files, the samples of a category, their splits, and the audit of files and splits.

- ``decoding``: from the bytes of an image file to pixels;
- ``folder``: the image files below a folder of any file system;
- ``collection``, ``packed``: the samples of a category, with access to their images and masks;
- ``inventory``: facts about every file, and the audit of these facts;
- ``samples``: selection of the samples for learning, validation and test;
- ``resize``: resizing to the network's input size.
"""

from typing import TYPE_CHECKING, Any

from reb_pipeline.core.moved import no_attribute

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        raise no_attribute(__name__, name)
