"""Reports made by the definitions alone: a tree by RFC 9162, a map by docs/decisions/0017, signed by C2SP."""

import base64
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

LOG_KEY = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
WITNESS_KEY = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
AT_SECONDS = 1_795_510_800
ANA, RUI, EVA = (hashlib.sha256(name).digest() for name in (b"ana", b"rui", b"eva"))


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def b64(content):
    return base64.b64encode(content).decode()


def key_id(name, kind, key):
    return sha256(name.encode(), b"\n", bytes([kind]), key.public_key().public_bytes_raw())[:4]


def verifier_key(name, kind, key):
    encoded = b64(bytes([kind]) + key.public_key().public_bytes_raw())
    return f"{name}+{key_id(name, kind, key).hex()}+{encoded}"


LOG = verifier_key("salus.test/ledger", 1, LOG_KEY)
WITNESS = verifier_key("ee-1.test", 4, WITNESS_KEY)
OTHER_WITNESS = verifier_key("fr-1.test", 4, OTHER_KEY)


def split(count):
    return 1 << (count - 1).bit_length() - 1


def tree(leaves):
    if len(leaves) == 1:
        return leaves[0]
    half = split(len(leaves))
    return sha256(b"\x01", tree(leaves[:half]), tree(leaves[half:]))


def path(index, leaves):
    if len(leaves) == 1:
        return []
    half = split(len(leaves))
    if index < half:
        return [*path(index, leaves[:half]), tree(leaves[half:])]
    return [*path(index - half, leaves[half:]), tree(leaves[:half])]


def bit(person, depth):
    return int.from_bytes(person, "big") >> (255 - depth) & 1


def map_root(heads, depth=0):
    if not heads:
        return bytes(32)
    if len(heads) == 1:
        ((person, (count, head)),) = heads.items()
        return sha256(b"\x00", person, count.to_bytes(8, "big"), head)
    sides = [{k: v for k, v in heads.items() if bit(k, depth) == side} for side in (0, 1)]
    return sha256(b"\x01", map_root(sides[0], depth + 1), map_root(sides[1], depth + 1))


def map_path(person, heads, depth=0):
    if len(heads) == 1:
        return []
    own = {k: v for k, v in heads.items() if bit(k, depth) == bit(person, depth)}
    other = {k: v for k, v in heads.items() if bit(k, depth) != bit(person, depth)}
    return [map_root(other, depth + 1), *map_path(person, own, depth + 1)]


def note(size, root, *extensions, log=LOG_KEY, witness=WITNESS_KEY):
    text = "\n".join(["salus.test/ledger", str(size), b64(root), *extensions]) + "\n"
    signed = key_id("salus.test/ledger", 1, log) + log.sign(text.encode())
    cosigned = f"cosignature/v1\ntime {AT_SECONDS}\n{text}".encode()
    vouched = key_id("ee-1.test", 4, witness) + AT_SECONDS.to_bytes(8, "big") + witness.sign(cosigned)
    return f"{text}\n— salus.test/ledger {b64(signed)}\n— ee-1.test {b64(vouched)}\n"


def entry(number):
    leaf = {"at": "2026-11-24T09:00:00Z", "name": "Márcia", "what": f"Observation/{number}"}
    return json.dumps({"salt": b64(bytes([number]) * 16), "leaf": leaf}).encode()


def report_of(note_text, accesses, **more):
    return {
        "format": "salus-access-report/1",
        "node": "Test",
        "log": LOG,
        "checkpoint": note_text,
        "unsigned": 0,
        "before": None,
        "accesses": accesses,
        **more,
    }


def genuine_report(size=13, indexes=(2, 5, 12)):
    """A report of a log whose leaves are the entries themselves: it shows nothing of completeness."""
    entries = [entry(number) for number in range(size)]
    leaves = [sha256(b"\x00", each) for each in entries]
    accesses = [
        {"index": i, "entry": b64(entries[i]), "hashes": [b64(one) for one in path(i, leaves)]}
        for i in indexes
    ]
    return report_of(note(size, tree(leaves)), accesses)


def complete_report(persons=(ANA,), whose=(ANA, RUI, ANA, ANA, EVA, RUI, ANA), begin=0, said=None):
    """A report of all accesses of the persons, in a log where leaf i is one of `whose[i]`.

    Leaves below `begin` have no link; the checkpoint says so, or what `said` is.
    """
    heads, texts, leaves = {}, [], []
    for number, person in enumerate(whose):
        if number < begin:
            texts.append(None)
            leaves.append(sha256(b"\x00", entry(number)))
            continue
        count, previous = heads.get(person, (0, bytes(32)))
        fields = (person.hex(), str(count + 1), previous.hex(), sha256(entry(number)).hex())
        texts.append("\n".join(("salus/leaf/v1", *fields)) + "\n")
        leaves.append(sha256(b"\x00", texts[-1].encode()))
        heads[person] = (count + 1, leaves[-1])
    accesses = [
        {
            "index": i,
            "entry": b64(entry(i)),
            "link": texts[i],
            "hashes": [b64(one) for one in path(i, leaves)],
        }
        for i, person in enumerate(whose)
        if person in persons
    ]
    proofs = {person.hex(): [b64(one) for one in map_path(person, heads)] for person in persons}
    lines = () if said is None and not begin else (f"salus/links/v1 {begin if said is None else said}",)
    checkpoint = note(len(whose), tree(leaves), *lines, "salus/persons/v1 " + b64(map_root(heads)))
    return report_of(checkpoint, accesses, persons=proofs)


def changed(report, **fields):
    return json.loads(json.dumps(report)) | fields


def without(report, *places):
    kept = [each for place, each in enumerate(report["accesses"]) if place not in places]
    return changed(report, accesses=kept)


def with_access(report, place, **fields):
    copy = changed(report)
    copy["accesses"][place] |= fields
    return copy


def withheld(report, *places):
    copy = changed(report)
    for place in places:
        del copy["accesses"][place]["entry"]
        copy["accesses"][place]["withheld_until"] = "2026-12-24T09:00:00+00:00"
    return copy


GENUINE, COMPLETE = genuine_report(), complete_report()
CASES = {
    "genuine": (GENUINE, 3),
    "one leaf in the log": (genuine_report(1, (0,)), 3),
    "no access": (genuine_report(5, ()), 3),
    "complete": (COMPLETE, 0),
    "two records of one person": (complete_report((ANA, EVA)), 0),
    "a person alone in the log": (complete_report((ANA,), (ANA, ANA)), 0),
    "older ones are in an older report": (without(COMPLETE, 0), 3),
    "older ones from before numbers": (complete_report(begin=2), 3),
    "older ones from before numbers, one left out": (without(complete_report(begin=2), 2), 1),
    "numbers from the first": (complete_report(said="0"), 0),
    "numbers begin later than said": (complete_report(begin=2, said="0"), 2),
    "numbers begin before said": (complete_report(said="3"), 1),
    "numbers begin nowhere": (complete_report(said="-1"), 1),
    "there are older ones": (changed(COMPLETE, before=2), 3),
    "one withheld": (withheld(COMPLETE, 1), 0),
    "all withheld": (withheld(COMPLETE, 0, 1, 2, 3), 0),
    "one withheld and one left out": (without(withheld(COMPLETE, 1), 2), 1),
    "withheld, with a link of another number": (
        with_access(withheld(COMPLETE, 1), 1, link=COMPLETE["accesses"][2]["link"]), 1,
    ),
    "withheld without a link": (withheld(GENUINE, 1), 2),
    "some withheld from before numbers": (changed(COMPLETE, withheld_before_links=2), 3),
    "withheld is no number": (changed(COMPLETE, withheld_before_links="2"), 2),
    "newest left out": (without(COMPLETE, 3), 1),
    "middle left out": (without(COMPLETE, 1), 1),
    "a second person left out": (without(complete_report((ANA, EVA)), 3), 1),
    "all left out": (without(COMPLETE, 0, 1, 2, 3), 1),
    "claims to be complete without a map": (changed(GENUINE, persons={}), 1),
    "entry changed": (with_access(GENUINE, 1, entry=b64(entry(9))), 1),
    "committed entry changed": (with_access(COMPLETE, 1, entry=b64(entry(9))), 1),
    "another place": (with_access(GENUINE, 1, index=6), 1),
    "place outside the log": (with_access(GENUINE, 1, index=13), 1),
    "negative place": (with_access(GENUINE, 1, index=-1), 1),
    "proof cut": (with_access(GENUINE, 1, hashes=GENUINE["accesses"][1]["hashes"][:-1]), 1),
    "proof longer": (with_access(GENUINE, 1, hashes=[*GENUINE["accesses"][1]["hashes"], b64(bytes(32))]), 1),
    "twice the same": (changed(GENUINE, accesses=[GENUINE["accesses"][0]] * 2), 1),
    "link of another count": (
        with_access(COMPLETE, 1, link=COMPLETE["accesses"][1]["link"].replace("\n2\n", "\n3\n")), 1,
    ),
    "map proof of another": (changed(COMPLETE, persons={ANA.hex(): []}), 1),
    "signed by another log": (changed(GENUINE, checkpoint=note(13, bytes(32), log=OTHER_KEY)), 1),
    "root of another tree": (changed(GENUINE, checkpoint=note(13, bytes(32))), 1),
    "root is no hash": (changed(GENUINE, checkpoint=note(13, bytes(24))), 1),
    "an empty line": (changed(GENUINE, checkpoint=note(13, bytes(32), "")), 1),
    "note altered": (changed(GENUINE, checkpoint=GENUINE["checkpoint"].replace("\n13\n", "\n12\n")), 1),
    "witness broken": (
        changed(GENUINE, checkpoint=note(13, bytes(32), witness=OTHER_KEY).replace(
            b64(key_id("ee-1.test", 4, OTHER_KEY))[:5], b64(key_id("ee-1.test", 4, WITNESS_KEY))[:5])), 1,
    ),
    "no links": (changed(GENUINE, persons={}, checkpoint=COMPLETE["checkpoint"]), 1),
    "another format": (changed(GENUINE, format="salus-access-report/2"), 2),
    "no list": (changed(GENUINE, accesses={}), 2),
    "place is no number": (with_access(GENUINE, 1, index="5"), 2),
    "entry is no base64": (with_access(GENUINE, 1, entry="%"), 2),
    "hash in base64 of another spelling": (with_access(GENUINE, 1, hashes=["AB=="]), 2),
    "map proof too long": (changed(COMPLETE, persons={ANA.hex(): [b64(bytes(32))] * 257}), 2),
    "no note": (changed(GENUINE, checkpoint="nothing"), 2),
    "signature line malformed": (changed(GENUINE, checkpoint=GENUINE["checkpoint"] + "-- x\n"), 2),
    "access is no object": (changed(GENUINE, accesses=[1]), 2),
    "no object": ([], 2),
}  # fmt: skip
"""Reports, each with the exit code that it must get (0 complete, 1 false, 2 unreadable, 3 genuine)."""
