"""Command ``reb`` with its sub-commands."""

import sys
from collections.abc import Sequence
from pkgutil import resolve_name

import click

from reb_pipeline import __version__
from reb_pipeline.core.command_line import SETTINGS, run

# Sub-command -> (its click command, imported when it is called; its line in the help).
COMMANDS = {
    "train": ("commands.train:command", "Learn from photos of good parts; makes a model."),
    "inspect": ("inspection.cli:command", "Inspect new photos with a model."),
    "update": ("commands.update:command", "Add good photos to a model, or forget some."),
    "calibrate": ("commands.calibrate:command", "Take the threshold for another rate or day."),
    "costs": ("commands.costs:command", "Find the thresholds at which a part costs least."),
    "drift": ("commands.drift:command", "Compare inspected parts with the calibration."),
    "serve": ("service.cli:command", "Answer HTTP requests with a model."),
    "doctor": ("commands.doctor:command", "Check installation, weights, disk and threads."),
    "prune": ("commands.prune:command", "Show what runs stored, and remove what none needs."),
}


class Commands(click.Group):
    """Group of the sub-commands of :data:`COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names, in the order of a first use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a sub-command; None if there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = resolve_name(f"reb_pipeline.{COMMANDS[cmd_name][0]}")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of sub-commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=Commands, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="reb")
def command() -> None:
    """Visual inspection that learns from photos of good parts.

    Exit status: 0 if the work is done, with any finding; 1 only where an option asks for it; 2 if an
    argument cannot be used; 130 if interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``reb``, see :func:`reb_pipeline.core.command_line.run`."""
    return run(command, "reb", arguments)


if __name__ == "__main__":
    sys.exit(main())
