"""Extensions of Kedro by the project: session, hooks and runners."""
