"""`salus demo`: three nodes, a citizen's story through their interfaces, and an account of what happened."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from salus.cli.command import Command
from salus.cli.story.account import Account, NodeAccount, Step
from salus.cli.story.folder import demo_folder
from salus.cli.story.report import print_account, print_logins, print_step
from salus.cli.story.scenes import SCENES
from salus.cli.story.stage import Stage, Wishes, logins, open_stage
from salus.cli.story.teller import tell


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.set_defaults(data=Path("salus-demo"))
    parser.add_argument(
        "--no-wait", action="store_true", help="end after the story instead of leaving it running"
    )
    parser.add_argument("--json", action="store_true", help="print the account as one JSON object")
    parser.add_argument(
        "--seed", type=int, default=1, metavar="S", help="of the synthetic citizens (default 1)"
    )
    parser.add_argument(
        "--persons", type=int, default=20, metavar="N", help="synthetic citizens a node (default 20)"
    )
    parser.add_argument(
        "--load", type=Path, nargs="+", default=[], metavar="PATH", help="more files for Portugal"
    )


def run(options: argparse.Namespace) -> int:
    """Play the story; 0 only if every step did what the story says."""
    wishes = Wishes(seed=options.seed, persons=options.persons, load=tuple(options.load))
    with demo_folder(options.data) as folder:
        return asyncio.run(_run(folder, wishes, as_json=options.json, wait=not options.no_wait))


async def _run(folder: Path, wishes: Wishes, *, as_json: bool, wait: bool) -> int:
    """Play the story and, when asked, leave the nodes running until told to stop."""
    playing = asyncio.current_task()
    assert playing is not None
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if not stopped.is_set():  # once: a second Ctrl-C must not interrupt the stopping of the nodes
            stopped.set()
            playing.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    console, begun = Console(stderr=as_json), list[str]()
    try:
        async with open_stage(folder, wishes) as stage:
            account = await _play(stage, console, begun)
            if as_json:
                sys.stdout.write(msgspec.json.format(msgspec.json.encode(account)).decode() + "\n")
                sys.stdout.flush()
            else:
                print_account(console, account, running=wait)
            if wait:
                print_logins(console, account)
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
            return 0 if account.ok else 1
    except asyncio.CancelledError:
        if not stopped.is_set():
            raise
        console.print(f"Stopped before the story was over{_at(begun)}.", soft_wrap=True)
        return 130


def _at(begun: list[str]) -> str:
    return f", in step {len(begun)} of {len(SCENES)}: {begun[-1]}" if begun else ""


def say_begun(console: Console, number: int, title: str) -> None:
    """Say which step begins where no bar shows it: output that goes to a file is not silent for minutes."""
    if not console.is_terminal:
        console.print(f"... step {number} of {len(SCENES)}: {escape(title)}", soft_wrap=True)
        console.file.flush()


async def _play(stage: Stage, console: Console, begun: list[str]) -> Account:
    """Play every scene with visible progress and return the account; `begun` gets each title as it begins."""
    started = time.perf_counter()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(SCENES))

        def hear(step: Step) -> None:
            progress.advance(bar)
            print_step(progress.console, step)

        def begin(title: str) -> None:
            begun.append(title)
            progress.update(bar, description=title)
            say_begun(progress.console, len(begun), title)

        steps = await tell(SCENES, stage, hear, begin)
    return Account(
        ok=all(step.outcome == "done" for step in steps),
        seed=stage.wishes.seed,
        persons=stage.wishes.persons,
        seconds=round(time.perf_counter() - started, 1),
        nodes=tuple(
            NodeAccount(
                node=each.settings.node,
                name=each.settings.name,
                country=each.settings.country,
                base_url=each.settings.base_url,
                data=os.fspath(each.data),
                pid=each.process.pid,
            )
            for each in stage.nodes.values()
        ),
        steps=tuple(steps),
        logins=logins(stage),
    )


COMMAND = Command("demo", "Start three nodes on loopback and play the story of one citizen.", arguments, run)
