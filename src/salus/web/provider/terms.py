"""How a demonstration node knows its embedded provider: like any other, by the same table as `[[login]]`."""

from __future__ import annotations

from salus.core.access import Assurance, Role
from salus.standards.nationalid.identifiers import national_identifiers
from salus.trust.login.provider import (
    EMBEDDED_ID,
    EMBEDDED_PATH,
    IdentifierClaim,
    ProfessionalClaims,
    Provider,
)

ID, PREFIX = EMBEDDED_ID, EMBEDDED_PATH
CLIENT_ID = "salus"
LEVEL = "http://eidas.europa.eu/LoA/"
"""How eIDAS writes levels of assurance in SAML and OpenID Connect."""
WORK = {
    "clinician": Role.CLINICIAN,
    "pharmacist": Role.PHARMACIST,
    "emergency": Role.EMERGENCY,
    "desk": Role.DESK,
    "auditor": Role.AUDITOR,
}


def embedded(base_url: str) -> Provider:
    """Return what this node trusts its embedded provider for."""
    return Provider(
        id=ID,
        name="Test identities",
        issuer=f"{base_url}{PREFIX}",
        client_id=CLIENT_ID,
        scopes=("openid", "profile"),
        assurance={f"{LEVEL}{level.value}": level for level in Assurance},
        identifiers=tuple(
            IdentifierClaim(claim=row.system, system=row.system) for row in national_identifiers()
        ),
        professional=ProfessionalClaims(
            claim="role", roles=WORK, organisation="organisation", organisation_id="organisation_id"
        ),
    )


def write_hint(persona: str, level: str, identifier: str) -> str:
    """Return the login_hint for a test person: who, how surely, and a citizen's identifier."""
    known = level if level in set(Assurance) else Assurance.HIGH.value
    return " ".join((persona, known, identifier.strip())).strip()


def read_hint(hint: str) -> tuple[str, Assurance, str]:
    """Return who is expected, how surely, and a citizen's identifier; "" and high where nothing is said."""
    persona, _, rest = hint.partition(" ")
    level, _, identifier = rest.partition(" ")
    return persona, Assurance(level) if level in set(Assurance) else Assurance.HIGH, identifier
