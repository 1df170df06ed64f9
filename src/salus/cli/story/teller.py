"""Steps one after another: each is timed, each failure is kept with its reason, the story goes on."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import httpx
import msgspec

from salus.cli.story.account import Seen, Step, StepFailed, StepSkipped
from salus.core.errors import SalusError

S = TypeVar("S")
Tell = Callable[[str], None]


class Scene(msgspec.Struct, Generic[S], frozen=True):
    """One step to take: its short name, what should happen, and the function that makes it happen.

    The function fills `Seen` and raises `StepFailed` when something else happened.
    """

    name: str
    title: str
    play: Callable[[S, Seen], Awaitable[None]]


async def tell(scenes: Sequence[Scene[S]], stage: S, hear: Callable[[Step], None], begin: Tell) -> list[Step]:
    """Play every scene in order and return what came of each.

    Args:
        scenes: the story.
        stage: what every scene is handed.
        hear: called with each step when it is over.
        begin: called with the title of each scene before it is played.
    """
    steps = []
    for scene in scenes:
        begin(scene.title)
        step = await _play(scene, stage)
        hear(step)
        steps.append(step)
    return steps


async def _play(scene: Scene[S], stage: S) -> Step:
    seen, started = Seen(), time.perf_counter()
    reason, outcome = "", "done"
    try:
        await scene.play(stage, seen)
    except StepSkipped as error:
        reason, outcome = str(error), "skipped"
    except StepFailed as error:
        reason, outcome = str(error), "failed"
    except SalusError as error:
        reason, outcome = error.message, "failed"
    except httpx.TimeoutException as error:
        reason, outcome = f"no answer in time from {_host(error)}", "failed"
    except httpx.HTTPError as error:
        reason, outcome = f"{_host(error)} cannot be reached ({type(error).__name__})", "failed"
    except (KeyError, IndexError, TypeError, ValueError) as error:
        # An answer of another shape than the story expects; the account says so instead of ending.
        reason, outcome = (
            f"an answer was not what was expected ({type(error).__name__}: {error})"[:300],
            "failed",
        )
    seconds = round(time.perf_counter() - started, 3)
    return Step(scene.name, scene.title, outcome, seen.figures, seconds, reason, tuple(seen.read_again))  # type: ignore[arg-type]  # outcome is one of three words above


def _host(error: httpx.HTTPError) -> str:
    try:
        return f"{error.request.url.scheme}://{error.request.url.netloc.decode()}"
    except RuntimeError:
        return "the node"
