"""The service: a packaged model behind HTTP; knows nothing of Kedro or PyTorch."""
