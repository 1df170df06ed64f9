"""Splicing gives the same resource as setting id and meta in the parsed one."""

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from salus.standards.fhir.codec.splice import splice_meta, top_level_spans

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
STAMP = {"versionId": "7", "lastUpdated": "2026-01-02T03:04:05.678Z"}
KEY = st.sampled_from(["a", 'q"', "id ", "me\\ta", "é", "resourceType", ":", "{"]) | st.text(max_size=5)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "meta", "x"]), inner),
    max_leaves=6,
)
META = st.fixed_dictionaries({}, optional={"profile": st.just(["http://p"]), "versionId": st.just("1")})
KNOWN = st.fixed_dictionaries(
    {}, optional={"id": st.text(max_size=4), "meta": META, "resourceType": st.just("Patient")}
)
CONTENT = (
    st.builds(
        lambda rest, known: list((rest | known).items()), st.dictionaries(KEY, VALUE, max_size=5), KNOWN
    )
    .flatmap(st.permutations)
    .map(dict)
)
# Servers write type, id and meta first, and no blanks.
USUAL = st.builds(
    lambda start, rest, known: start | rest | known,
    st.fixed_dictionaries({"resourceType": st.just("Patient")}, optional={"id": st.just("1"), "meta": META}),
    st.dictionaries(KEY, VALUE, min_size=1, max_size=5),
    st.just({}) | KNOWN,
)


@given(CONTENT, st.sampled_from([None, 2]), st.booleans())
def test_id_and_meta_are_set_and_every_other_byte_is_kept(resource, indent, ascii_only):
    resource.setdefault("x-last", 0)
    if not isinstance(resource.get("meta", {}), dict):
        del resource["meta"]
    content = json.dumps(resource, indent=indent, ensure_ascii=ascii_only).encode()
    spliced = splice_meta(content, id="new", version=7, updated=AT)
    expected = {key: value for key, value in resource.items() if key not in ("id", "meta")}
    parsed = json.loads(spliced)
    assert parsed.pop("id") == "new"
    assert parsed.pop("meta") == resource.get("meta", {}) | STAMP
    assert parsed == expected
    before, after = top_level_spans(content), top_level_spans(spliced)
    for key in expected:
        assert content[slice(*before[key])] == spliced[slice(*after[key])]


@given(USUAL, st.sampled_from([None, "urn:hospital"]), st.sampled_from([None, "Patient/9"]))
def test_the_usual_way_of_writing_gives_the_same_as_any_other(resource, source, original_id):
    def spliced(separators):
        content = json.dumps(resource, separators=separators).encode()
        made = splice_meta(content, id="new", version=7, updated=AT, source=source, original_id=original_id)
        return list(json.loads(made).items())

    assert sorted(spliced((",", ":")), key=str) == sorted(spliced((", ", ": ")), key=str)
