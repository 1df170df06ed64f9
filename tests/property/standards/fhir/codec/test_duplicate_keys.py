"""The cheap test for equal keys agrees with a parser that sees every key."""

import json

from hypothesis import given
from hypothesis import strategies as st

from salus.core.errors import MalformedContent
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json_value

BLANK = st.sampled_from(["", "", "", " ", "\n", "\t ", "\r\n"])
PIECE = st.sampled_from(
    [
        "a",
        "b",
        ":",
        '\\"',
        "\\u0022",
        "\\u003a",
        "\\u003A",
        "\\u0061",
        "\\\\",
        "\\u005c",
        " :",
        ",",
        "é",
        "{",
        "\\/",
        "/",
    ]
)
STRING = st.lists(PIECE, max_size=4).map(lambda pieces: '"' + "".join(pieces) + '"')


def objects(values):
    member = st.tuples(STRING, BLANK, BLANK, values).map(lambda m: f"{m[0]}{m[1]}:{m[2]}{m[3]}")
    return st.lists(member, max_size=4).map(lambda members: "{" + ",".join(members) + "}")


def arrays(values):
    return st.lists(values, max_size=3).map(lambda items: "[" + ",".join(items) + "]")


TEXT = st.recursive(STRING | st.just("1.50"), lambda values: objects(values) | arrays(values), max_leaves=12)


def has_equal_keys(text):
    found = []

    def see(pairs):
        found.append(len({key for key, _ in pairs}) < len(pairs))
        return

    json.loads(text, object_pairs_hook=see)
    return any(found)


@given(TEXT)
def test_equal_keys_are_refused_and_nothing_else_is(text):
    try:
        parse_json_value(text.encode(), Limits())
        refused = False
    except MalformedContent:
        refused = True
    assert refused == has_equal_keys(text)
