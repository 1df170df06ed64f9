"""Back home: she sees who looked, verifies it, restricts one document; a second look no longer shows it."""

from __future__ import annotations

import asyncio
import base64
import hashlib

from salus.cli.story.account import Seen, expect
from salus.cli.story.asking import Answer, abroad, get, refused, resources, send
from salus.cli.story.home import curl
from salus.cli.story.stage import Stage
from salus.cli.story.visit import again, here
from salus.core.access import Role
from salus.standards.merkle.checkpoint import Checkpoint, open_checkpoint
from salus.standards.merkle.note import VerifierKey, parse_key
from salus.standards.merkle.proof import verify_consistency, verify_inclusion
from salus.standards.merkle.tree import leaf_hash

SIGNING_SECONDS_MAX = 10.0
LOOK_AGAIN_SECONDS = 0.2


async def see_accesses(stage: Stage, seen: Seen) -> None:
    """Her access log names the clinician, the pharmacist and the refusal, each with purpose and outcome."""
    accesses = await _signed_accesses(stage)
    node = stage.settings["EE"].node
    from_estonia = [each for each in accesses if each["node"] == node]
    looks = [each for each in from_estonia if each["outcome"] == "served" and "$summary" in each["what"]]
    hand_overs = [
        each
        for each in from_estonia
        if each["outcome"] == "served" and each["action"] in ("create", "update")
    ]
    refusals = [each for each in from_estonia if each["outcome"] == "refused"]
    seen.figures["entries"] = len(accesses)
    seen.figures["from Estonia"] = len(from_estonia)
    for name, found in (("summary", looks), ("dispensation", hand_overs), ("refusal", refusals)):
        seen.figures[f"{name} audit entry ids"] = [str(each["index"]) for each in found]
    seen.read_again.append(_curl_citizen(stage, "/ledger/accesses"))
    own = f"/fhir/AuditEvent?patient={stage.settings['PT'].node}:{stage.fact('citizen')}&_count=200"
    log = await get(stage, "EE", own, stage.token("EE", Role.AUDITOR))
    seen.figures["entries in Estonia's own log"] = len(resources(log, "AuditEvent"))
    seen.read_again.append(curl(stage, "EE", "auditor", own))
    expect(seen.figures["entries in Estonia's own log"] != 0, "Estonia wrote nothing down about her")
    expect(bool(looks) or "summary" not in stage.facts, "her log lacks the look at her summary")
    expect(bool(hand_overs) or "dispense_id" not in stage.facts, "her log lacks the dispensation")
    expect(bool(refusals) or "refused" not in stage.facts, "her log lacks the refusal")
    expect(bool(looks or hand_overs or refusals), "nothing from Estonia is in her log")
    named = {(each["name"], each["purpose"]) for each in looks + hand_overs}
    expect(all(name and purpose == "TREAT" for name, purpose in named), "an entry lacks who or why")
    told = await get(stage, "PT", "/notices", stage.token("PT", Role.CITIZEN, patient=stage.fact("citizen")))
    clinicians = {each["name"] for each in looks}
    doubted = [each["who"] for each in told["notices"] if each["kind"] == "unproven"]
    seen.figures["notices of unproven accesses"] = len(doubted)
    expect(clinicians.isdisjoint(doubted), "the clinician's access is called unproven in spite of her code")
    stage.facts["accesses"] = looks + hand_overs + refusals


async def verify_accesses(stage: Stage, seen: Seen) -> None:
    """Her own program checks each entry against the signed checkpoint, and that the log only ever grew."""
    accesses = stage.fact("accesses")
    log = parse_key((await _text(stage, "/ledger/key")).strip())
    token = stage.token("PT", Role.CITIZEN, patient=stage.fact("citizen"))
    report = await get(stage, "PT", "/ledger/report", token)
    checkpoint = open_checkpoint(report["checkpoint"], log)
    told = {each["index"]: each for each in report["accesses"]}
    for index in (each["index"] for each in accesses):
        expect(index in told, f"entry {index} is not in her report")
        committed = told[index]["link"].encode()
        digest = hashlib.sha256(base64.b64decode(told[index]["entry"])).hexdigest()
        holds = committed.endswith(f"\n{digest}\n".encode()) and verify_inclusion(
            leaf_hash(committed), index, checkpoint.size, _hashes(told[index]), checkpoint.root
        )
        expect(holds, f"entry {index} is not proved to be in the log")
    expect("persons" in report, "her report does not show that it is complete")
    seen.figures["witnesses"] = _witnesses(report["checkpoint"])
    seen.figures["nodes that say the same"] = agreeing(report["abroad"])
    seen.read_again.append(_curl_citizen(stage, "/ledger/report"))
    seen.figures["entries proved"] = len(accesses)
    seen.figures["checkpoint size"] = checkpoint.size
    seen.figures["signed by"] = checkpoint.origin
    if "first_checkpoint" in stage.facts:
        seen.figures["log only grew since size"] = await _grew(stage, log, checkpoint)
    seen.read_again.append(f"curl {stage.url('PT')}/ledger/checkpoint")


def agreeing(compared: list[Answer]) -> list[str] | str:
    """Return the nodes that say the same of her accesses, or in words that there is none yet."""
    if not compared:
        return "none was compared yet"
    return [each["node"] for each in compared if each["both_say_the_same"]] or "none does"


def _witnesses(note: str) -> list[str]:
    """Return who else signed a checkpoint."""
    names = [line.split(" ")[1] for line in note.splitlines() if line.startswith("— ")]
    return [name for name in names if name.endswith("/witness")]


async def restrict_document(stage: Stage, seen: Seen) -> None:
    """She hides one document from professionals."""
    document = stage.fact("document")
    token = stage.token("PT", Role.CITIZEN, patient=stage.fact("citizen"))
    done = await send(stage, "PT", "PUT", f"/restrictions/DocumentReference/{document}", token)
    seen.figures["restricted"] = f"DocumentReference/{document}"
    seen.figures["resources it reaches"] = done["resources"]
    own = await get(stage, "PT", f"/fhir/DocumentReference/{document}", token)
    expect(own["id"] == document, "she herself does not see the document any more")
    stage.facts["restricted"] = document
    seen.read_again.append(_curl_citizen(stage, "/restrictions"))


async def look_again(stage: Stage, seen: Seen) -> None:
    """The clinician looks again: the document is not there, and nothing says that one was hidden."""
    document, token = stage.fact("restricted"), stage.token("EE", Role.CLINICIAN)
    listed = await abroad(stage, "/documents", token, here(stage))
    ids = [each["id"] for each in listed["documents"]]
    seen.figures["documents found"] = len(ids)
    seen.read_again.append(again(stage, "/documents", here(stage)))
    if "documents_before" in stage.facts:
        seen.figures["documents found before"] = stage.facts["documents_before"]
    expect(document not in ids, "the restricted document is still listed")
    attachment = {"url": f"DocumentReference/{document}", "contentType": "application/fhir+json"}
    asked = here(stage) | {"reference": {"content": [{"attachment": attachment}]}}
    seen.read_again.append(f"{again(stage, '/document', asked)} -w ' status %{{http_code}}'")
    status, _ = await refused(stage, "EE", "/abroad/document", token, asked)
    seen.figures["status of asking for it by its id"] = status
    expect(status == 404, f"asking for it by its id gave {status}, which tells that it exists")


async def _signed_accesses(stage: Stage) -> list[Answer]:
    """Return her access log once every entry is in the signed log, which takes a second at most."""
    token = stage.token("PT", Role.CITIZEN, patient=stage.fact("citizen"))
    loop = asyncio.get_running_loop()
    end = loop.time() + SIGNING_SECONDS_MAX
    while True:
        found: list[Answer] = (await get(stage, "PT", "/ledger/accesses?count=200", token))["accesses"]
        # The newest entries may be this very look; those of others are older.
        waiting = [each for each in found if each["index"] is None and each["action"] != "audit"]
        if not waiting or loop.time() > end:
            break
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    expect(not waiting, f"{len(waiting)} entries were not signed within {SIGNING_SECONDS_MAX:.0f} s")
    return [each for each in found if each["index"] is not None]


async def _grew(stage: Stage, log: VerifierKey, checkpoint: Checkpoint) -> int:
    first = open_checkpoint(stage.facts["first_checkpoint"], log)
    path = f"/ledger/consistency?before={first.size}&after={checkpoint.size}"
    proof = _hashes(await get(stage, "PT", path, ""))
    holds = verify_consistency(first.size, checkpoint.size, first.root, checkpoint.root, proof)
    expect(holds, "the log is not proved to contain what it contained before")
    return first.size


async def _text(stage: Stage, path: str) -> str:
    answer = await stage.client.get(f"{stage.url('PT')}{path}")
    expect(answer.status_code == 200, f"the node of PT answered {answer.status_code} at {path}")
    return answer.text


def _hashes(proof: Answer) -> list[bytes]:
    return [base64.b64decode(each) for each in proof["hashes"]]


def _curl_citizen(stage: Stage, path: str) -> str:
    return curl(stage, "PT", "citizen", path, who=f" --patient {stage.fact('citizen')}")
