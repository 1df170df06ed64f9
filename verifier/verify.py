#!/usr/bin/env python3
"""Checks a report of accesses to one's health record, without Salus and without a network.

    python3 verify.py access-report.json --log KEY --witness KEY --witness KEY --quorum 2

It needs Python 3.11 and nothing else. Keys are verifier keys, as text or in a file. Get them from somebody
other than the node that made the report: another node of the federation, or a newspaper.

Exit code: 0 genuine and complete; 1 something is false; 2 the report or a key cannot be read; 3 genuine, but
whether it is complete is not shown.

Formats: C2SP signed-note, tlog-checkpoint and tlog-cosignature (https://c2sp.org); RFC 9162, section 2.1;
RFC 8032, section 5.1; docs/ledger.md and docs/decisions/0017 of Salus.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

FORMAT = "salus-access-report/1"
REPORT_BYTES_MAX = 200_000_000
LOG, WITNESS = 1, 4
MAP_EXTENSION = "salus/persons/v1 "
LINKS_EXTENSION = "salus/links/v1 "
TOLD = (
    "at",
    "name",
    "app",
    "role",
    "organisation",
    "node",
    "country",
    "action",
    "what",
    "purpose",
    "outcome",
)
NO_LEAF = bytes(32)


class Unreadable(Exception):
    """The report or a key is not of the form that this program reads."""


class Forged(Exception):
    """Something that the report claims does not hold; the message says what."""


_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)

Point = tuple[int, int, int, int]
"""Extended homogeneous coordinates (X, Y, Z, T), x = X/Z, y = Y/Z, xy = T/Z."""

_NEUTRAL: Point = (0, 1, 1, 0)


def _add(left: Point, right: Point) -> Point:
    a = (left[1] - left[0]) * (right[1] - right[0]) % _P
    b = (left[1] + left[0]) * (right[1] + right[0]) % _P
    c = 2 * left[3] * right[3] * _D % _P
    d = 2 * left[2] * right[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _times(scalar: int, point: Point) -> Point:
    result = _NEUTRAL
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _point(encoded: bytes) -> Point | None:
    """Return the point of its 32 bytes, None where they are none (section 5.1.3)."""
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return (x, y, 1, x * y % _P)


_BASE = _point((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether the signature (64 bytes) over the message is of the public key (32 bytes)."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, commitment = _point(public), _point(signature[:32])
    response = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or response >= _ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % _ORDER
    assert _BASE is not None
    left, right = _times(response, _BASE), _add(commitment, _times(challenge, key))
    return not (
        (left[0] * right[2] - right[0] * left[2]) % _P or (left[1] * right[2] - right[1] * left[2]) % _P
    )


def sha256(*parts: bytes) -> bytes:
    """Return the hash of the parts put together."""
    return hashlib.sha256(b"".join(parts)).digest()


def root_by_proof(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """Return the root that a leaf's hash and proof lead to; None where the proof is too long or short."""
    position, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if position & 1 or position == last:
            result = sha256(b"\x01", sibling, result)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            result = sha256(b"\x01", result, sibling)
        position, last = position >> 1, last >> 1
    return result if last == 0 else None


@dataclass(frozen=True)
class Key:
    """A verifier key: who signs with it, as a log (1) or a witness (4), its id and public key."""

    name: str
    kind: int
    id: bytes
    public: bytes


@dataclass(frozen=True)
class Checkpoint:
    """What the log signed, and who else vouches for it: witness and moment."""

    size: int
    root: bytes
    extensions: list[str]
    witnesses: list[tuple[str, datetime]]


def parse_key(text: str) -> Key:
    """Return the key that is written NAME+ID+BASE64."""
    name, _, rest = text.strip().partition("+")
    digits, _, encoded = rest.partition("+")
    key = _bytes_of(encoded, "a key")
    if not name or re.search(r"\s", name) or len(key) != 33 or key[0] not in (LOG, WITNESS):
        raise Unreadable(f"{text[:80]!r} is no verifier key (NAME+ID+BASE64).")
    found = Key(name, key[0], sha256(name.encode(), b"\n", key)[:4], key[1:])
    if found.id.hex() != digits:
        raise Unreadable(f"The key of {name} was altered: its id does not fit.")
    return found


def open_checkpoint(note: str, log: Key, witnesses: Sequence[Key]) -> Checkpoint:
    """Return what the log signed. Raises Forged where a signature that counts does not hold."""
    body, blank, lines = note.rpartition("\n\n")
    text = body + "\n"
    if not blank or not note.endswith("\n"):
        raise Unreadable("The checkpoint is no signed note.")
    signed, vouching = False, {}
    for line in lines.removesuffix("\n").split("\n"):
        found = re.fullmatch(r"— (\S+) (\S+)", line)
        if found is None:
            raise Unreadable("A signature line of the checkpoint is malformed.")
        signature = _bytes_of(found[2], "a signature")
        for key in (log, *witnesses):
            if (key.name, key.id) == (found[1], signature[:4]):
                at = _signed_at(key, text, signature[4:])
                if key.kind == LOG:
                    signed = True
                else:
                    vouching[key] = at
    if not signed:
        raise Forged("The log's key did not sign the checkpoint: it is of another log, or it was forged.")
    fields = text.removesuffix("\n").split("\n")
    if (
        len(fields) < 3
        or fields[0] != log.name
        or not re.fullmatch(r"0|[1-9][0-9]{0,18}", fields[1], re.ASCII)
    ):
        raise Forged("What the log signed is no checkpoint of this log.")
    root = _bytes_of(fields[2], "the checkpoint's root")
    if len(root) != 32 or "" in fields:
        raise Forged("What the log signed is no checkpoint: its root is no hash, or a line is empty.")
    return Checkpoint(int(fields[1]), root, fields[3:], [(key.name, at) for key, at in vouching.items()])


def _signed_at(key: Key, text: str, signature: bytes) -> datetime:
    """Return when a witness signed, the epoch for a log. Raises Forged where the signature is broken."""
    message, seconds = text.encode(), 0
    if key.kind == WITNESS:
        seconds, signature = int.from_bytes(signature[:8], "big"), signature[8:]
        message = f"cosignature/v1\ntime {seconds}\n{text}".encode()
    if not verify_ed25519(key.public, message, signature):
        raise Forged(f"The signature of {key.name} on the checkpoint is broken.")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise Forged(f"The time that {key.name} states is none.") from error


@dataclass(frozen=True)
class Access:
    """One access of the report: its place, what was recorded, how it joins its person's chain, the proof.

    What was recorded may be withheld by law for a time (EHDS article 9(3)); the link still proves the access.
    """

    index: int
    entry: bytes | None
    link: str | None
    proof: list[bytes]

    @property
    def leaf(self) -> bytes:
        """The hash of the leaf: of the entry, or of the link that commits to the entry."""
        committed = self.entry if self.link is None else self.link.encode()
        if committed is None:
            raise Unreadable(f"Access {self.index} has neither what was recorded nor a link to it.")
        return sha256(b"\x00", committed)


@dataclass(frozen=True)
class Link:
    """A leaf's place in a person's chain.

    person: pseudonym (32 bytes); count: from 1; previous: hash of the person's leaf before; entry: its hash.
    """

    person: bytes
    count: int
    previous: bytes
    entry: bytes


@dataclass(frozen=True)
class Completeness:
    """Whether a report shows that all accesses are there, and the sentence that says so."""

    is_shown: bool
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """What was found: sentences, and whether the report shows that all accesses are there."""

    sentences: list[str]
    is_complete: bool


def verify_report(report: Any, log: Key | None, witnesses: Sequence[Key], quorum: int) -> Verdict:
    """Check the report. Raises Unreadable or Forged."""
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        raise Unreadable(f"This is no report of the format {FORMAT}.")
    accesses = [_access(each) for each in _field(report, "accesses", list)]
    sentences = []
    key = log
    if key is None:
        key = parse_key(_field(report, "log", str))
        sentences.append(
            "CAUTION: no key of the log was given, so the report's own was taken. Whoever forged the report "
            "could have forged that too. Get the key from another node."
        )
    if key.kind != LOG or any(each.kind != WITNESS for each in witnesses):
        raise Unreadable("--log takes a log's key, --witness a witness's; one of these is of the other kind.")
    checkpoint = open_checkpoint(_field(report, "checkpoint", str), key, witnesses)
    sentences += [
        f"{name} vouches for the log as it was at {at:%Y-%m-%d %H:%M:%S} UTC."
        for name, at in checkpoint.witnesses
    ]
    if len(checkpoint.witnesses) < quorum:
        raise Forged(
            f"{len(checkpoint.witnesses)} of the named witnesses signed the checkpoint; {quorum} must."
        )
    if not checkpoint.witnesses:
        sentences.append(
            "No witness that you named signed the checkpoint: the node could show others another log."
        )
    _check_inclusion(accesses, checkpoint)
    sentences.append(
        f"GENUINE: {_counted(accesses)}, unchanged, in the log of {key.name} "
        f"as it was with {checkpoint.size} entries."
    )
    if report.get("unsigned") or report.get("before"):
        sentences.append("MORE: the node has newer or older accesses that are not in this file.")
    withheld = _field(report, "withheld_before_links", int, 0)
    withheld += sum(access.entry is None for access in accesses)
    if withheld:
        sentences.append(
            f"WITHHELD: of {withheld} accesses the node does not say now whose they are. The law lets it in "
            "exceptional cases, for a time (EHDS article 9(3)); ask its data protection officer."
        )
    complete = _check_completeness(report, accesses, checkpoint)
    return Verdict([*sentences, complete.sentence], complete.is_shown)


def _counted(accesses: Sequence[Access]) -> str:
    return "the one access is" if len(accesses) == 1 else f"all {len(accesses)} accesses are"


def _check_inclusion(accesses: Sequence[Access], checkpoint: Checkpoint) -> None:
    places = [access.index for access in accesses]
    if len(set(places)) != len(places):
        raise Forged("The report has one access twice.")
    for access in accesses:
        in_range = 0 <= access.index < checkpoint.size
        if (
            not in_range
            or root_by_proof(access.leaf, access.index, checkpoint.size, access.proof) != checkpoint.root
        ):
            raise Forged(f"Access {access.index} is not in the log as the report tells it.")


def _check_completeness(
    report: dict[str, Any], accesses: Sequence[Access], checkpoint: Checkpoint
) -> Completeness:
    """Return whether the report shows that no access is missing. Raises Forged.

    The accesses must be unbroken chains, one for each pseudonym that the person has (records that were merged
    have several), which end where the signed map says that they end.
    """
    if "persons" not in report:
        return Completeness(
            False, "NOT SHOWN: whether an access is missing. The report carries no proof that it is complete."
        )
    line = next((each for each in checkpoint.extensions if each.startswith(MAP_EXTENSION)), None)
    if line is None:
        raise Forged("The report claims to be complete, and the checkpoint commits to no map of persons.")
    root = _bytes_of(line.removeprefix(MAP_EXTENSION), "the map's root")
    begin = _begin_of_links(checkpoint)
    older = [access for access in accesses if access.index < begin]
    if any(access.link is not None for access in older):
        raise Forged("An access has a number that is older than the log's first.")
    chains: dict[str, list[tuple[Link, Access]]] = {}
    for access in sorted(accesses, key=lambda access: access.index)[len(older) :]:
        link = _link(access)
        if access.entry is not None and link.entry != sha256(access.entry):
            raise Forged(f"Access {access.index} is not the record that the log committed to.")
        chains.setdefault(link.person.hex(), []).append((link, access))
    proofs = _field(report, "persons", dict)
    if not chains or set(chains) != set(proofs):
        raise Forged("The report's accesses are not those of the persons whose accesses it claims to have.")
    found = [_check_chain(chains[person], proofs[person], root) for person in sorted(chains)]
    numbers = ", ".join(f"{first} to {last}" for first, last in found)
    if any(first > 1 for first, _ in found) or report.get("before"):
        return Completeness(
            False, f"IN PART: accesses {numbers} are all there, older ones are not in this file."
        )
    unnumbered = len(older) + report.get("withheld_before_links", 0)
    if unnumbered:
        return Completeness(
            False,
            f"IN PART: accesses {numbers} are all there. {unnumbered} older ones have no number, "
            "since the log began to number later; whether one of those is missing is not shown.",
        )
    return Completeness(True, f"COMPLETE: accesses {numbers} are all there, up to the checkpoint.")


def _begin_of_links(checkpoint: Checkpoint) -> int:
    """Return the index of the first leaf that has a number: 0 where the checkpoint names none."""
    line = next((each for each in checkpoint.extensions if each.startswith(LINKS_EXTENSION)), None)
    if line is None:
        return 0
    found = re.fullmatch(r"0|[1-9][0-9]{0,18}", line.removeprefix(LINKS_EXTENSION), re.ASCII)
    if found is None:
        raise Forged("What the log signed does not say properly where its numbers begin.")
    return int(found[0])


def _check_chain(chain: list[tuple[Link, Access]], proof: object, root: bytes) -> tuple[int, int]:
    """Return the numbers of the first and last access of a pseudonym that has no gap and nothing newer."""
    first, (last, newest) = chain[0][0], chain[-1]
    for (before, access), (link, _) in pairwise(chain):
        if (link.count, link.previous) != (before.count + 1, access.leaf):
            raise Forged(
                f"Accesses are missing after number {before.count} (entry {access.index} of the log)."
            )
    if (first.count == 1) != (first.previous == NO_LEAF):
        raise Forged("The first access does not begin a chain as it says.")
    if not isinstance(proof, list) or len(proof) > 8 * len(last.person):
        raise Unreadable("The proof of the map is no list of hashes, or too long.")
    if _map_root(last, newest.leaf, [_bytes_of(each, "a hash") for each in proof]) != root:
        raise Forged(f"Accesses are missing after number {last.count}, the newest of the report.")
    return first.count, last.count


def _map_root(last: Link, head: bytes, siblings: Sequence[bytes]) -> bytes:
    """Return the root of the map over (person, count, head) by the siblings, the deepest last."""
    result = sha256(b"\x00", last.person, last.count.to_bytes(8, "big"), head)
    bits = int.from_bytes(last.person, "big")
    for depth in reversed(range(len(siblings))):
        pair = (siblings[depth], result) if bits >> (255 - depth) & 1 else (result, siblings[depth])
        result = sha256(b"\x01", *pair)
    return result


def _link(access: Access) -> Link:
    found = re.fullmatch(
        r"salus/leaf/v1\n([0-9a-f]{64})\n([1-9][0-9]{0,17})\n([0-9a-f]{64})\n([0-9a-f]{64})\n",
        access.link or "",
        re.ASCII,
    )
    if found is None:
        raise Unreadable(
            f"Access {access.index} has no place in its person's chain, though the report claims one."
        )
    return Link(bytes.fromhex(found[1]), int(found[2]), bytes.fromhex(found[3]), bytes.fromhex(found[4]))


def _access(found: Any) -> Access:
    if not isinstance(found, dict):
        raise Unreadable("An access of the report is no object.")
    index, link = _field(found, "index", int), found.get("link")
    if not isinstance(link, str | None):
        raise Unreadable("An access of the report has a link that is no text.")
    hashes = [_bytes_of(each, "a hash") for each in _field(found, "hashes", list)]
    entry = None if "withheld_until" in found else _bytes_of(_field(found, "entry", str), "an entry")
    return Access(index, entry, link, hashes)


def _field(found: dict[str, Any], name: str, kind: type, absent: Any = None) -> Any:
    value = found.get(name, absent)
    if type(value) is not kind:
        raise Unreadable(f"The report's {name} is missing or of the wrong kind.")
    return value


def _bytes_of(text: object, what: str) -> bytes:
    try:
        content = base64.b64decode(text if isinstance(text, str) else "?", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable(f"In place of {what} stands no base64.") from error
    if base64.b64encode(content).decode() != text:
        raise Unreadable(f"In place of {what} stands no canonical base64.")
    return content


def _key_of(text: str) -> Key:
    """Return the key of an argument: its text, or a file that holds it."""
    path = Path(text)
    try:
        return parse_key(text if text.count("+") >= 2 else path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"The key file {text} cannot be read.") from error


def _report_of(path: Path) -> Any:
    try:
        if path.stat().st_size > REPORT_BYTES_MAX:
            raise Unreadable("The report is too large.")
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Unreadable(f"{path} cannot be read as a report.") from error


def _told(entry: bytes | None) -> str:
    """Return an entry in one line: what was recorded, none of it able to steer the terminal."""
    if entry is None:
        return "withheld"
    try:
        leaf = json.loads(entry)["leaf"]
        words = [str(leaf[name]) for name in TOLD if leaf.get(name)]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        words = [repr(entry[:200])]
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in " | ".join(words))


def main(arguments: list[str] | None = None) -> int:
    """Check a report and say in words what was found."""
    parser = argparse.ArgumentParser(description="Check a report of accesses without Salus.")
    parser.add_argument("report", type=Path)
    parser.add_argument("--log", metavar="KEY", help="the log's key, from another node")
    parser.add_argument(
        "--witness", metavar="KEY", action="append", default=[], help="a witness's key, from its node"
    )
    parser.add_argument(
        "--quorum", type=int, default=0, metavar="K", help="how many of the witnesses must have signed"
    )
    parser.add_argument("--list", action="store_true", help="also print every access of the report")
    options = parser.parse_args(arguments)
    try:
        log = _key_of(options.log) if options.log else None
        report = _report_of(options.report)
        verdict = verify_report(report, log, [_key_of(each) for each in options.witness], options.quorum)
    except Unreadable as error:
        print(f"CANNOT BE READ: {error}", file=sys.stderr)
        return 2
    except Forged as error:
        print(f"FALSE: {error}")
        return 1
    if options.list:
        for access in map(_access, report["accesses"]):
            print(f"{access.index}  {_told(access.entry)}")
    print("\n".join(verdict.sentences))
    return 0 if verdict.is_complete else 3


if __name__ == "__main__":
    sys.exit(main())
