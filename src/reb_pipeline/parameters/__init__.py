"""Typed parameters: sections of the YAML, their copies for each category, and Kedro's loader for them."""
