"""Imported by every Python process that a test starts: the folder is on its ``PYTHONPATH``."""

import no_network

no_network.install()
