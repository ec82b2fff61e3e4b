"""Raw-image datasets, one layout of folders or files each."""
