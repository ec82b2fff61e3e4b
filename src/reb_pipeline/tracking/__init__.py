"""Facts of stored runs: parameters, data, code and metrics, and comparisons of them."""
