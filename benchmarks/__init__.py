"""Benchmarks of speed, memory and false-alarm rates.

A package with this file, because releases of other packages install a folder of the same name.
"""
