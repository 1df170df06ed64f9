"""Plays one TestScript against a server: fixtures, setup, tests, teardown (R4 testscript.html)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from conformance.scoreboard.testscript.assertions import check
from conformance.scoreboard.testscript.operations import perform
from conformance.scoreboard.testscript.script import (
    Json,
    Played,
    ScriptFailed,
    fixture_file,
    read_fixture,
)
from salus.core.errors import SalusError

# A script that breaks the rules of its own type fails, whatever it holds in their place.
_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)


def play_script(script: Json, path: Path, folder: Path, client: httpx.Client) -> str:
    """Return why a script failed, "" where all its assertions hold; `warningOnly` ones do not count.

    Args:
        script: the TestScript.
        path: its file.
        folder: of its suite.
        client: with the server's base address and a token.
    """
    played = Played(script, folder, path)
    try:
        _fixtures(played, client)
        _actions(script.get("setup", {}), played, client)
        for test in script.get("test", ()):
            _actions(test, played, client)
    except ScriptFailed as failure:
        return str(failure)
    except SalusError as error:
        return f"unreadable: {error.message}"
    except httpx.HTTPError as error:
        return f"the request could not be made: {error}"
    except _UNREADABLE as error:
        return f"the script breaks the rules of a TestScript: {type(error).__name__} {error}"
    finally:
        _end(played, client)
    return ""


def _fixtures(played: Played, client: httpx.Client) -> None:
    """Read every fixture and create those that shall be there."""
    for number, fixture in enumerate(played.script.get("fixture", ())):
        reference = fixture.get("resource", {}).get("reference", "")
        found = fixture_file(reference, played.path, played.folder)
        if found is None:
            raise ScriptFailed(f"the suite holds no fixture '{reference}'")
        identity = fixture.get("id", f"fixture {number}")
        played.fixtures[identity] = read_fixture(found)
        if fixture.get("autocreate"):
            perform({"type": {"code": "create"}, "sourceId": identity}, played, client)
            if played.answer().status_code not in (200, 201):
                raise ScriptFailed(
                    f"the fixture '{identity}' could not be created: {played.answer().text[:200]}"
                )


def _actions(part: Json, played: Played, client: httpx.Client) -> None:
    """Carry out operations and assertions in their order; the first that fails ends the script."""
    for action in part.get("action", ()):
        if "operation" in action:
            perform(action["operation"], played, client)
        else:
            _assert(action["assert"], played)


def _assert(assertion: dict[str, Any], played: Played) -> None:  # Any: FHIR JSON
    warning_only = str(assertion.get("warningOnly", "")).lower() == "true"
    try:
        failure = check(assertion, played)
    except ScriptFailed as reason:
        failure = str(reason)
    if failure and not warning_only:
        label = assertion.get("label") or assertion.get("description") or "an assertion"
        raise ScriptFailed(f"{label}: {failure}")


def _end(played: Played, client: httpx.Client) -> None:
    """Tear down and delete what was created; what goes wrong here says nothing of the server."""
    deletions: list[Json] = [
        {"operation": {"type": {"code": "delete"}, "targetId": one["id"]}}
        for one in played.script.get("fixture", ())
        if one.get("autodelete") and one.get("id") in played.server_ids
    ]
    for action in [*played.script.get("teardown", {}).get("action", ()), *deletions]:
        try:
            perform(action["operation"], played, client)
        except (ScriptFailed, SalusError, httpx.HTTPError, *_UNREADABLE):
            continue
