"""A node is slow: the answer of the others stands, and the silent one is named."""

from __future__ import annotations

from salus.cli.story.account import Seen, expect
from salus.cli.story.asking import abroad
from salus.cli.story.processes import freeze, thaw
from salus.cli.story.stage import Stage
from salus.cli.story.visit import again
from salus.core.access import Role


async def name_the_silent(stage: Stage, seen: Seen) -> None:
    """The French node is frozen while Estonia asks every country."""
    france, token = stage.nodes.get("FR"), stage.token("EE", Role.CLINICIAN)
    asked = {"identifier": stage.fact("citizen_identifier")}
    expect(france is not None and france.is_alive, "the node of FR does not run, so it cannot be made slow")
    assert france is not None
    freeze(france)
    try:
        found = await abroad(stage, "/patients", token, asked)
    finally:
        thaw(france)
    silent = {each["node"]: each["reason"] for each in found["silent"]}
    seen.figures["answered"] = found["answered"]
    seen.figures["silent"] = [f"{node}: {reason}" for node, reason in silent.items()]
    seen.figures["milliseconds"] = found["milliseconds"]
    its_process = f"$(pgrep -f '[s]erve .*--data {stage.data('FR')}')"  # the brackets: not pgrep's own shell
    seen.read_again.append(
        f"kill -STOP {its_process}; {again(stage, '/patients', asked)}; kill -CONT {its_process}"
    )
    seen.figures["deadline ms"] = stage.settings["EE"].limits.peer_deadline_ms
    expect(stage.settings["FR"].node in silent, "the frozen node is not named as silent")
    home = stage.settings["PT"].node
    expect(home not in silent, f"Portugal gave no answer of its own: {silent.get(home)}")
    expect(home in found["answered"], "the answer of Portugal was lost with that of France")
    expect(len(found["candidates"]) == 1, f"{len(found['candidates'])} persons match, not one")
    awake = await abroad(stage, "/patients", token, asked)
    seen.figures["answered after it woke"] = awake["answered"]
    asleep = [f"{each['node']}: {each['reason']}" for each in awake["silent"]]
    expect(not asleep, f"not all answered after France woke: {'; '.join(asleep)}")
