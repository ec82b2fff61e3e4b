"""What the project adds to Kedro: session, hooks and runners."""
