"""One question to many nodes: what each answered, and which of them were silent.

A missing answer is not an empty answer: a node that is slow, down, refuses or answers garbage is named with
its reason, and the rest of the answer stands.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from salus.core.errors import SalusError
from salus.federation.membership_list import Member

T = TypeVar("T")
AT_ONCE_MAX = 32
LOG = logging.getLogger("salus.federation")


class Answers(msgspec.Struct, Generic[T], frozen=True):
    """What a question to many nodes came to.

    Args:
        answers: by node id, in the order asked.
        silent: (node id, reason) of each node that gave no answer.
    """

    answers: dict[str, T]
    silent: list[tuple[str, str]]


class _Reason(msgspec.Struct, frozen=True):
    text: str


async def fan_out(
    members: Sequence[Member], question: Callable[[Member], Awaitable[T]], *, deadline_ms: int
) -> Answers[T]:
    """Ask every member at the same time, at most 32 at once, and wait no longer than the deadline."""
    places = asyncio.Semaphore(AT_ONCE_MAX)

    async def ask(member: Member) -> T | _Reason:
        try:
            async with asyncio.timeout(deadline_ms / 1000), places:
                return await question(member)
        except TimeoutError:
            return _Reason(f"node {member.node} did not answer within {deadline_ms} ms")
        except SalusError as error:
            return _Reason(error.message)
        except Exception as error:  # noqa: BLE001  one node's answer must not take away those of the others
            LOG.error("the answer of node %s: %s", member.node, type(error).__name__)
            return _Reason(f"node {member.node} answered something that cannot be used")

    found = await asyncio.gather(*(ask(member) for member in members))
    answers: dict[str, T] = {}
    silent: list[tuple[str, str]] = []
    for member, answer in zip(members, found, strict=True):
        if isinstance(answer, _Reason):
            silent.append((member.node, answer.text))
        else:
            answers[member.node] = answer
    return Answers(answers, silent)
