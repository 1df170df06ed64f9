"""The story's look at a trust chain: what Estonia and the anchor say proves who Estonia is."""

from __future__ import annotations

from urllib.parse import quote

from salus.cli.story.account import Seen, expect
from salus.cli.story.stage import Stage
from salus.core.clock import utc_now
from salus.core.errors import NotAuthenticated
from salus.federation.anchor import ANCHOR_PATH
from salus.federation.entity import HEALTH_NODE
from salus.federation.membership import read_pins
from salus.standards.openid_federation.chain import verify_chain
from salus.standards.openid_federation.responses import configuration_address

SUBJECT, WITNESS, ANCHOR = "EE", "FR", "PT"


async def show_chain(stage: Stage, seen: Seen) -> None:
    """Verify Estonia's trust chain as France would: with the anchor's key that France pinned."""
    subject, anchor = stage.url(SUBJECT), f"{stage.url(ANCHOR)}{ANCHOR_PATH}"
    addresses = [
        configuration_address(subject),
        f"{anchor}/fetch?sub={quote(subject, safe='')}",
        configuration_address(anchor),
    ]
    statements = []
    for address in addresses:
        answer = await stage.client.get(address)
        expect(answer.status_code == 200, f"{address} answers {answer.status_code}, not a statement")
        statements.append(answer.text.strip())
        seen.read_again.append(f"curl '{address}'")
    now, pins = utc_now().timestamp(), [dict(key) for key in read_pins(stage.data(WITNESS))]
    try:
        chain = verify_chain(statements, anchors={anchor: pins}, now=now, fetched_at=now)
    except NotAuthenticated as error:
        expect(False, f"the trust chain to {subject} does not hold: {error.message}")
        return
    seen.figures["trust chain"] = [chain.subject, *chain.superiors]
    seen.figures["trust chain lives, seconds"] = round(chain.expires_at - now)
    found = chain.metadata.get(HEALTH_NODE, {}).get("node")
    node = stage.settings[SUBJECT].node
    expect(found == node, f"the trust chain is of {found}, not of {node}")
    marks = chain.configuration.claims.get("trust_marks", [])
    expect(bool(marks), f"{node} shows no trust mark of the federation")
    seen.figures["trust mark"] = marks[0]["trust_mark_type"]
