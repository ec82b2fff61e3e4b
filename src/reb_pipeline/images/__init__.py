"""Image files, the samples of a category, their splits and the audit of both.

- ``decoding``: bytes of an image file to pixels;
- ``folder``: the image files below a folder of any file system;
- ``collection``, ``packed``: the samples of a category and how each is opened;
- ``inventory``: every file opened once, and the audit of what was found;
- ``samples``: which samples a step learns from, validates on and tests;
- ``resize``: an image in the size of a network's input.
"""

from typing import TYPE_CHECKING, Any

from reb_pipeline.core.moved import no_attribute

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        raise no_attribute(__name__, name)
