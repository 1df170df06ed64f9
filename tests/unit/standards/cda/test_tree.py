"""What is no CDA document, or is meant to harm, is refused with a reason; nothing else is read."""

# ruff: noqa: E501  (tables of XML and what becomes of it, a case a line)

import base64

import pytest
from tests.unit.standards.cda.samples import document

from salus.core.errors import SalusError
from salus.core.limits import Limits
from salus.standards.cda.document import to_fhir
from salus.standards.cda.tree import looks_like_cda, read_document

OPEN = '<ClinicalDocument xmlns="urn:hl7-org:v3">'
BOMB = "".join(
    f'<!ENTITY l{n} "{"&l" + str(n - 1) + ";" if n else "lol"}{"&l" + str(n - 1) + ";" if n else ""}">'
    for n in range(30)
)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (f"<!DOCTYPE x [{BOMB}]>{OPEN}&l29;</ClinicalDocument>", ""),
        (f'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>{OPEN}<title>&e;</title></ClinicalDocument>', "DOCTYPE"),
        (f'<!DOCTYPE x SYSTEM "http://192.0.2.1/x.dtd">{OPEN}</ClinicalDocument>', "DOCTYPE"),
        (OPEN + "<a>" * 100 + "</a>" * 100 + "</ClinicalDocument>", "nested"),
        (OPEN + "<a>" * 5000, ""),
        (f'{OPEN}<title x="{"y" * 20_000}"/></ClinicalDocument>', "attribute"),
        (OPEN + "<a " + " ".join(f'a{n}="1"' for n in range(100)) + "/></ClinicalDocument>", "attributes"),
        (f'<?xml version="1.0" encoding="no-such-code"?>{OPEN}</ClinicalDocument>', ""),
        ("<ClinicalDocument/>", "namespace"),
        ('<section xmlns="urn:hl7-org:v3"/>', "part of a CDA document"),
        ("<html/>", "no CDA document"),
        ("", ""),
        ("{}", ""),
    ],
)  # fmt: skip
def test_what_is_hostile_or_no_cda_is_refused(body, reason):
    with pytest.raises(SalusError) as refused:
        read_document(body.encode(), Limits())
    assert reason in refused.value.message


def test_bytes_in_another_encoding_than_stated_are_refused():
    with pytest.raises(SalusError, match="well-formed"):
        read_document(
            f'<?xml version="1.0" encoding="UTF-8"?>{OPEN}<title>é</title></ClinicalDocument>'.encode(
                "latin-1"
            ),
            Limits(),
        )


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1"])
def test_other_encodings_are_read(encoding):
    body = f'<?xml version="1.0" encoding="{encoding}"?>{OPEN}<title>é</title></ClinicalDocument>'.encode(
        encoding
    )
    assert looks_like_cda(body)
    assert read_document(body, Limits()).first("title").text == "é"


@pytest.mark.parametrize(
    "content",
    [
        lambda body: (
            f'<x:Document xmlns:x="urn:ihe:iti:xds-b:2007" id="d">{base64.b64encode(body).decode()}</x:Document>'
        ),
        lambda body: body.decode().partition("?>")[2],
    ],
)
def test_a_document_is_taken_out_of_its_envelope(content):
    body = document()
    envelope = (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>'
        f'<ProvideAndRegisterDocumentSetRequest xmlns="urn:ihe:iti:xds-b:2007">{content(body)}'
        "</ProvideAndRegisterDocumentSetRequest></s:Body></s:Envelope>"
    ).encode()
    assert looks_like_cda(envelope)
    assert to_fhir(envelope, Limits()).bundle == to_fhir(body, Limits()).bundle


def test_two_documents_in_one_envelope_are_refused():
    inner = document().decode().partition("?>")[2]
    with pytest.raises(SalusError, match="2 documents"):
        read_document(f"<Envelope>{inner}{inner}</Envelope>".encode(), Limits())


@pytest.mark.parametrize(
    ("head", "known"),
    [
        (b'<?xml version="1.0"?>\n<!-- a > b -->\n<n:ClinicalDocument xmlns:n="urn:hl7-org:v3">', True),
        (b'<Bundle xmlns="http://hl7.org/fhir"><text>ClinicalDocument</text>', False),
        (b'<section xmlns="urn:hl7-org:v3">', True),
        (b"<!-- never ends", False),
        (b'{"resourceType": "Bundle"}', False),
    ],
)
def test_cda_is_known_by_its_root(head, known):
    assert looks_like_cda(head) is known
