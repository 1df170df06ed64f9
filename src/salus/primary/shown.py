"""What a pharmacist was shown of a prescription, and whether it is that still at the hand-over.

A prescriber may correct a prescription while the pharmacist fetches the medicine: what is recorded then would
not be what was given (EHDS Art. 14(1)(b), (c)).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from salus.core.errors import Conflict
from salus.primary.products import refer_to_version

PARTS = {
    "product": ("medicationCodeableConcept", "medicationReference"),
    "dosage": ("dosageInstruction",),
    "amount": ("dispenseRequest",),
    "substitution": ("substitution",),
}
"""Members of a MedicationRequest by what a pharmacist looks at."""
DIGEST_LENGTH = 16
NO_MEDICATION: Mapping[str, Any] = {}
Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


def fingerprint(prescription: Resource, medication: Resource = NO_MEDICATION) -> str:
    """Return a mark of what is shown: a digest of each of `PARTS`, joined by ":".

    The version is no part of it: a hand-over and its being taken back make new ones.
    `medication` is the one it refers to, with its meta.versionId; {} where the reference names its version.
    """
    version = str(medication.get("meta", {}).get("versionId", ""))
    named = refer_to_version(dict(prescription), version)
    digests = [_digest([named.get(member) for member in members]) for members in PARTS.values()]
    if str(named.get("medicationReference", {}).get("reference", "")).startswith("#"):
        digests[0] = _digest([digests[0], named.get("contained")])
    return ":".join(digests)


def changed_since(shown: str, prescription: Resource, medication: Resource = NO_MEDICATION) -> list[str]:
    """Return what of a prescription is not as it was shown: some of `PARTS`; [] for nothing.

    Args:
        shown: its `fingerprint` then.
        prescription: as it is now.
        medication: the one that it refers to, as for `fingerprint`.
    """
    now, then = fingerprint(prescription, medication).split(":"), shown.split(":")
    if len(then) != len(now):
        return list(PARTS)
    return [name for name, was, known in zip(PARTS, then, now, strict=True) if was != known]


def was_changed(parts: list[str]) -> Conflict:
    """Return the refusal of a hand-over on a prescription that was changed since it was shown."""
    return Conflict(
        f"The prescription was changed since it was shown ({', '.join(parts)}): look at it again. "
        "Nothing was recorded."
    )


def _digest(value: object) -> str:
    written = msgspec.json.encode(_plain(value), order="sorted")
    return hashlib.sha256(written).hexdigest()[:DIGEST_LENGTH]


def _plain(value: object) -> object:
    """Return a value in which equal numbers are written alike: 30, 30.0 and 3e1."""
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return {"number": _digits(Decimal(str(value)))}
    return value


def _digits(number: Decimal) -> list[object]:
    """Return sign, digits and exponent, without zeros at the end; however large it is, it stays short."""
    sign, digits, exponent = number.as_tuple()
    written = "".join(map(str, digits))
    kept = written.rstrip("0")
    return [sign, kept, int(exponent) + len(written) - len(kept) if kept else 0]
