"""Settings of Kedro: all of them its defaults."""
