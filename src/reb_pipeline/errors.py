"""The one exception that speaks to the user."""


class InputError(ValueError):
    """Something the user gave (data, parameter, file) cannot be used.

    The message is one sentence: the offending value, why, and what to do. The command line prints that
    sentence alone; any other exception keeps its traceback, because it is a defect of ours.
    """
