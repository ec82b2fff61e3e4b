"""Learns what good parts look like and marks what deviates: the REB method as a Kedro project."""

__version__ = "0.1.0"
