"""Where the story plays: three nodes, started and joined, and what its scenes have found out so far."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from salus.cli.command import program
from salus.cli.node import make_node
from salus.cli.story.account import StepSkipped
from salus.cli.story.processes import Running, free_ports, stop
from salus.cli.token import make_token
from salus.core.access import Purpose, Role
from salus.core.limits import Limits
from salus.settings import Settings
from salus.trust.care import Known

COUNTRIES = {
    "PT": ("Portugal, demonstration node", ("pt", "en", "et", "fr")),
    "EE": ("Estonia, demonstration node", ("et", "en", "pt", "fr")),
    "FR": ("France, demonstration node", ("fr", "en", "et", "pt")),
}
ANSWER_SECONDS_MAX = 30
DEADLINE_MS = 3_000


class Wishes(msgspec.Struct, frozen=True):
    """What the caller of the demonstration chose; `load` are files for the Portuguese node."""

    seed: int
    persons: int
    load: tuple[Path, ...]


class Stage(msgspec.Struct):
    """The stage of the story. `facts` is what scenes found out for those that follow."""

    folder: Path
    wishes: Wishes
    client: httpx.AsyncClient
    settings: dict[str, Settings]
    nodes: dict[str, Running] = msgspec.field(default_factory=dict)
    facts: dict[str, Any] = msgspec.field(default_factory=dict)  # Any: answers of the interfaces

    def data(self, country: str) -> Path:
        """Return the folder of a country's node."""
        return self.folder / country.lower()

    def url(self, country: str) -> str:
        """Return the address of a country's node."""
        return self.settings[country].base_url

    def fact(self, name: str) -> Any:  # Any: whatever the scene stored
        """Return what an earlier scene found out.

        Raises:
            StepSkipped: it did not.
        """
        if name not in self.facts:
            raise StepSkipped(f"an earlier step did not give the {name.replace('_', ' ')}")
        return self.facts[name]

    def token(
        self, country: str, role: Role, *, purpose: Purpose | None = None, patient: str | None = None
    ) -> str:
        """Return a fresh test login, as `salus token` prints it."""
        return make_token(self.data(country), self.settings[country], role, purpose, patient, seconds=None)


@asynccontextmanager
async def open_stage(folder: Path, wishes: Wishes) -> AsyncIterator[Stage]:
    """Make the three folders and yield the stage; stop every node that was started on leaving."""
    settings = {}
    for (country, (name, languages)), port in zip(COUNTRIES.items(), free_ports(len(COUNTRIES)), strict=True):
        settings[country] = Settings(
            node=f"{country.lower()}-1",
            name=name,
            country=country,
            base_url=f"http://127.0.0.1:{port}",
            port=port,
            languages=languages,
            demo=True,
            treatment_relationship=Known.DECLARED if country == "EE" else Known.ORGANISATION,
            limits=Limits(peer_deadline_ms=DEADLINE_MS),
        )
        make_node(folder / country.lower(), settings[country])
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS_MAX, trust_env=False) as client:
        stage = Stage(folder, wishes, client, settings)
        try:
            yield stage
        finally:
            await asyncio.gather(*(stop(node) for node in stage.nodes.values()))


def logins(stage: Stage) -> dict[str, str]:
    """Return the test logins, each in words."""
    citizen = stage.facts.get("citizen_identifier", "")
    found = {
        f"clinician or pharmacist in {settings.country}": f"{settings.base_url}/login"
        for settings in stage.settings.values()
    }
    if citizen:
        found["the citizen of the story"] = f"{stage.url('PT')}/login with identifier {citizen}"
        found["the same with a test wallet"] = f"{stage.url('PT')}/wallet"
    found["a token for the interfaces"] = f"{program()} token --data {stage.data('EE')} --role clinician"
    return found
