"""The account for people: a line a step with its figures, then addresses, logins and how to read again."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from salus.cli.command import program
from salus.cli.story.account import Account, Figure, Step

SIGNS = {"done": "[green]✓ done[/]", "failed": "[red]✗ failed[/]", "skipped": "[yellow]– skipped[/]"}


def print_step(console: Console, step: Step) -> None:
    """Print one step as soon as it is over."""
    console.print(
        f"{SIGNS[step.outcome]} [bold]{step.name}[/]: {escape(step.title)} [dim]({step.seconds:.2f} s)[/]",
        soft_wrap=True,
    )
    if step.figures:
        shown = ", ".join(f"{name} {_figure(figure)}" for name, figure in step.figures.items())
        console.print(f"    [dim]{escape(shown)}[/]", soft_wrap=True)
    if step.reason:
        console.print(f"    [red]{escape(step.reason)}[/]", soft_wrap=True)


def print_account(console: Console, account: Account, *, running: bool) -> None:
    """Print what the whole story came to, and how each figure can be read again.

    `running`: whether the nodes go on running; if not, how to start them again comes first.
    """
    done = sum(step.outcome == "done" for step in account.steps)
    console.print()
    console.print(
        f"[bold]{done} of {len(account.steps)} steps did what the story says[/], in {account.seconds} s, "
        f"with seed {account.seed} and {account.persons} citizens a node.",
        soft_wrap=True,
    )
    if not running:
        console.print(
            "The nodes are stopped. They start again at the same addresses, each in a terminal of its own:",
            soft_wrap=True,
        )
        for node in account.nodes:
            console.print(f"  {escape(f'{program()} serve --data {node.data}')}", soft_wrap=True)
        console.print("Then each figure can be read again:", soft_wrap=True)
    for step in account.steps:
        for command in step.read_again:
            console.print(f"  [dim]{step.name}:[/] {escape(command)}", soft_wrap=True)


def print_logins(console: Console, account: Account) -> None:
    """Print where to look and as whom."""
    console.print("The nodes are running; Ctrl-C stops them")
    for node in account.nodes:
        where = f"  {node.country}: portal {node.base_url}  FHIR {node.base_url}/fhir  folder {node.data}"
        console.print(escape(where), soft_wrap=True)
    for who, how in account.logins.items():
        console.print(f"  {escape(who)}: {escape(how)}", soft_wrap=True)


def _figure(figure: Figure) -> str:
    if isinstance(figure, bool):
        return "yes" if figure else "no"
    if isinstance(figure, list):
        return ", ".join(figure)
    return str(figure)
