"""What every part of the project may use: errors, progress bars, devices, atomic files, records of arrays, caches."""
