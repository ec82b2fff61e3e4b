"""Typed parameters: sections of the YAML, their copy for each category, and Kedro's loader for them."""
