"""What no log may hold: tokens and the private parts of keys, as they would look in one."""

import base64
import json
import re

TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")


def key_words(folder):
    """Return the private parts of a node's keys, in every spelling that a log would have."""
    words = {json.loads(path.read_bytes())["d"] for path in folder.glob("*.jwk")}
    for path in folder.glob("*.key"):
        octets = path.read_bytes()
        words |= {octets.hex(), base64.b64encode(octets).decode().rstrip("="), repr(octets)[2:-1]}
    assert len(words) > 3
    return words


def secrets_told(text, *folders):
    """Return the tokens and private keys in a text, given the key folders of the nodes that wrote it."""
    words = {word for folder in folders for word in key_words(folder)}
    return [*TOKEN.findall(text), *(word for word in words if word in text)]
