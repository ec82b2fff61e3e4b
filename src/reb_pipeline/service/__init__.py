"""HTTP service for inspection with a packaged model; imports neither Kedro nor PyTorch."""
