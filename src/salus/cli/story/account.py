"""The account of a story: what each step did, with figures that the interfaces gave, or why it failed."""

from __future__ import annotations

from typing import Literal

import msgspec

Figure = int | float | str | bool | list[str]


class Step(msgspec.Struct, frozen=True):
    """One step of the story.

    Args:
        name: short, stable.
        title: what should happen, one sentence.
        outcome: "done" as the story says; "failed"; "skipped" because a step it needs failed.
        figures: what was seen, by name; units end the names.
        seconds: how long it took.
        reason: why it failed or was skipped, "" when done.
        read_again: requests that give the figures again, each as a shell command.
    """

    name: str
    title: str
    outcome: Literal["done", "failed", "skipped"]
    figures: dict[str, Figure]
    seconds: float
    reason: str = ""
    read_again: tuple[str, ...] = ()


class NodeAccount(msgspec.Struct, frozen=True):
    """One node of the demonstration: where it is, its process and its folder."""

    node: str
    name: str
    country: str
    base_url: str
    data: str
    pid: int


class Account(msgspec.Struct, frozen=True):
    """The whole story. `ok`: every step did what the story says."""

    ok: bool
    seed: int
    persons: int
    seconds: float
    nodes: tuple[NodeAccount, ...]
    steps: tuple[Step, ...]
    logins: dict[str, str]


class Seen(msgspec.Struct):
    """What a step has seen so far; filled while it runs, so that a failing step shows what it got."""

    figures: dict[str, Figure] = msgspec.field(default_factory=dict)
    read_again: list[str] = msgspec.field(default_factory=list)


class StepFailed(Exception):
    """A step did not do what the story says; the message says what it did instead."""


class StepSkipped(Exception):
    """A step cannot be taken, because an earlier one did not give what it needs."""


def expect(claim: bool, otherwise: str) -> None:
    """Fail the step with the sentence `otherwise` unless the claim holds."""
    if not claim:
        raise StepFailed(otherwise)
