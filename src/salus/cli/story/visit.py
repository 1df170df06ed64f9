"""In Estonia: she is identified, the clinician is refused, then let in; her summary arrives and is read."""

from __future__ import annotations

import shlex
import time

import msgspec

from salus.cli.story.account import Seen, expect
from salus.cli.story.asking import abroad, refused, send
from salus.cli.story.home import curl
from salus.cli.story.reading import read_page
from salus.cli.story.stage import Stage
from salus.core.access import Role

LANGUAGES = {"et": "Ravimid", "en": "Medicines"}  # the medicines section, required in every summary


async def identify(stage: Stage, seen: Seen) -> None:
    """The clinician looks her up by the identifier on her card, at the Portuguese node (PDQm)."""
    token = stage.token("EE", Role.CLINICIAN)
    asked = {"identifier": stage.fact("citizen_identifier"), "countries": ["PT"]}
    seen.read_again.append(again(stage, "/patients", asked))
    found = await abroad(stage, "/patients", token, asked)
    candidates = found["candidates"]
    seen.figures["candidates"] = len(candidates)
    seen.figures["milliseconds"] = found["milliseconds"]
    silent = [f"{each['node']}: {each['reason']}" for each in found["silent"]]
    expect(not silent, "; ".join(silent))
    expect(len(candidates) == 1, f"{len(candidates)} persons match, not one")
    expect(candidates[0]["id"] == stage.fact("citizen"), "somebody else was found")
    stage.facts["whom"] = {"node": candidates[0]["node"], "id": candidates[0]["id"]}
    seen.figures["found at"] = candidates[0]["node"]


async def be_refused(stage: Stage, seen: Seen) -> None:
    """Without a treatment relationship her node says no; that must be in her access log."""
    token = stage.token("EE", Role.CLINICIAN)
    status, reason = await refused(stage, "EE", "/abroad/summary", token, stage.fact("whom"))
    seen.figures["status"] = status
    seen.figures["reason"] = reason
    seen.read_again.append(f"{again(stage, '/summary', stage.fact('whom'))} -w ' status %{{http_code}}'")
    expect(status == 403, f"the answer was {status}, not a refusal: {reason}")
    stage.facts["refused"] = True


async def fetch_summary(stage: Stage, seen: Seen) -> None:
    """She shows a one-time code, which proves that she is there; the summary comes and is validated."""
    token = stage.token("EE", Role.CLINICIAN)
    own = stage.token("PT", Role.CITIZEN, patient=stage.fact("citizen"))
    made = await send(stage, "PT", "POST", "/rights/presence-code", own, kind="application/json")
    fetched = await abroad(stage, "/summary", token, here(stage) | {"presence_code": made["code"]})
    document = fetched["document"]
    composition = document["entry"][0]["resource"]
    seen.figures["bytes"] = fetched["bytes"]
    seen.figures["sections"] = len(composition["section"])
    seen.figures["resources"] = len(document["entry"])
    seen.figures["validation errors"] = fetched["errors"]
    seen.figures["validation warnings"] = fetched["warnings"]
    seen.figures["milliseconds"] = fetched["milliseconds"]
    expect(fetched["valid"], f"the summary is not valid: {'; '.join(fetched['messages'][:2])}")
    patients = [
        each["resource"] for each in document["entry"] if each["resource"]["resourceType"] == "Patient"
    ]
    numbers = {f"{each.get('system')}|{each.get('value')}" for each in patients[0].get("identifier", [])}
    expect(stage.fact("citizen_identifier") in numbers, "the summary is about somebody else")
    stage.facts["summary"] = True
    seen.read_again.append(again(stage, "/summary", here(stage)))


async def read_summary(stage: Stage, seen: Seen) -> None:
    """The clinician opens it in the Estonian portal, in Estonian and in English."""
    stage.fact("summary")
    began = time.perf_counter()
    pages = await read_page(
        stage, "EE", stage.fact("citizen_identifier"), stage.settings["PT"].node, LANGUAGES
    )
    for language, section in LANGUAGES.items():
        shown = pages[language]
        expect(section in shown, f"the page in {language} lacks the section {section!r}")
        seen.figures[f"page in {language} bytes"] = len(shown.encode())
    expect(LANGUAGES["en"] not in pages["et"], "the Estonian page has English section titles")
    seen.figures["milliseconds"] = round((time.perf_counter() - began) * 1000, 1)
    seen.read_again.append(f"open {stage.url('EE')}/login, then find {stage.fact('citizen_identifier')}")


async def list_documents(stage: Stage, seen: Seen) -> None:
    """She has a document; it is found and comes byte for byte."""
    token = stage.token("EE", Role.CLINICIAN)
    listed = await abroad(stage, "/documents", token, here(stage))
    documents = {each["id"]: each for each in listed["documents"]}
    seen.figures["documents found"] = len(documents)
    seen.figures["milliseconds"] = listed["milliseconds"]
    published = stage.fact("document")
    expect(published in documents, "the document her doctor published is not listed")
    fetched = await abroad(stage, "/document", token, here(stage) | {"reference": documents[published]})
    seen.figures["document bytes"] = fetched["bytes"]
    seen.figures["document errors"] = fetched["errors"]
    expect(fetched["bytes"] == stage.fact("document_bytes"), "the document did not come byte for byte")
    expect(fetched["valid"], f"the document is not valid: {'; '.join(fetched['messages'][:2])}")
    stage.facts["documents_before"] = len(documents)
    seen.read_again.append(again(stage, "/documents", here(stage)))


def here(stage: Stage) -> dict[str, str]:
    """Return how the story names the patient who is present."""
    return {**stage.fact("whom"), "relationship": "present"}


def again(stage: Stage, path: str, body: object, *, role: str = "clinician") -> str:
    """Return the shell command that asks abroad again."""
    data = shlex.quote(msgspec.json.encode(body).decode())
    return f"{curl(stage, 'EE', role, f'/abroad{path}')} -H 'Content-Type: application/json' -d {data}"
