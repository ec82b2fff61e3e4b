"""Shared basis of all packages: errors, progress bars, devices, atomic files, records of arrays, caches."""
