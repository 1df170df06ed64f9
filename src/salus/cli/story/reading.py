"""The portal as a browser without scripts uses it: log in, find the patient, open the summary."""

from __future__ import annotations

import re
from collections.abc import Iterable

import httpx

from salus.cli.story.account import StepFailed, expect
from salus.cli.story.stage import ANSWER_SECONDS_MAX, Stage


async def read_page(
    stage: Stage, country: str, identifier: str, node: str, languages: Iterable[str]
) -> dict[str, str]:
    """Return the summary page of a patient of `node`, in each of the languages, as a clinician sees it."""
    async with httpx.AsyncClient(
        base_url=stage.url(country), timeout=ANSWER_SECONDS_MAX, trust_env=False, follow_redirects=True
    ) as browser:
        login = await browser.get("/login")
        await browser.post("/login", data={"csrf": _csrf(login), "persona": "clinician"})
        form = await browser.get("/patient")
        found = await browser.post(
            "/patient",
            data={
                "csrf": _csrf(form),
                "country": node,
                "identifier": identifier,
                "purpose": "TREAT",
                "present": "yes",
            },
        )
        expect(
            found.status_code == 200,
            f"the portal of {country} answered {found.status_code} when looking her up",
        )
        link = re.search(r'href="(/patient/[^"]*/summary)[?"]', found.text)
        if link is None:
            raise StepFailed(f"the portal of {country} offers no summary of this patient")
        pages = {}
        for language in languages:
            shown = await browser.get(link.group(1), params={"language": language})
            expect(shown.status_code == 200, f"the summary's page in {language} answered {shown.status_code}")
            pages[language] = shown.text
        return pages


def _csrf(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
    if found is None:
        raise StepFailed("a page of the portal has no form")
    return found.group(1)
