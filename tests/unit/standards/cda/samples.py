"""CDA written by hand for tests, and the shared samples where they are there. Synthetic people only."""

from __future__ import annotations

from pathlib import Path

import pytest

from salus.core.limits import Limits
from salus.standards.cda.document import to_fhir

SHARED = Path(__file__).parents[5] / "shared" / "data" / "cda"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared CDA samples are not beside the checkout"
)

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xmlns:sdtc="urn:hl7-org:sdtc" xmlns:pharm="urn:hl7-org:pharm">
  <typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
  <templateId root="{template}"/>
  <id root="2.999.1" extension="doc-1"/>
  <code code="{code}" codeSystem="2.16.840.1.113883.6.1"/>
  <title>Document</title>
  <effectiveTime value="20260301101500+0100"/>
  <confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/>
  <languageCode code="pt-PT"/>
  <recordTarget><patientRole>
    <id root="2.999.2" extension="P-7"/>
    <addr use="HP"><streetAddressLine>Rua 1</streetAddressLine><city>Lisboa</city><country>PT</country></addr>
    <telecom use="HP" value="tel:+351210000000"/>
    <patient>
      <name><given>Ana</given><family>Exemplo</family></name>
      <administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/>
      <birthTime value="19800229"/>
    </patient>
  </patientRole></recordTarget>
  <author><time value="20260301"/><assignedAuthor>
    <id root="2.999.3" extension="D-1"/>
    <assignedPerson><name><given>Rui</given><family>Teste</family></name></assignedPerson>
    <representedOrganization><id root="2.999.4"/><name>Clinica</name></representedOrganization>
  </assignedAuthor></author>
  <custodian><assignedCustodian><representedCustodianOrganization>
    <id root="2.999.4"/><name>Clinica</name>
  </representedCustodianOrganization></assignedCustodian></custodian>
  <component><structuredBody>"""
TAIL = "</structuredBody></component></ClinicalDocument>"
SUMMARY = ("1.3.6.1.4.1.12559.11.10.1.3.1.1.3", "60591-5")


def section(code, entries, text="<paragraph>Text</paragraph>"):
    return (
        f'<component><section><code code="{code}" codeSystem="2.16.840.1.113883.6.1"/><title>T</title>'
        f"<text>{text}</text>{entries}</section></component>"
    )


def document(*sections, kind=SUMMARY):
    return (HEAD.format(template=kind[0], code=kind[1]) + "".join(sections) + TAIL).encode()


def converted(*sections, kind=SUMMARY):
    return to_fhir(document(*sections, kind=kind), Limits())


def entry(code, statement, text="<paragraph>Text</paragraph>", kind=SUMMARY):
    """Return what becomes of one entry, by resource type."""
    made = converted(section(code, f"<entry>{statement}</entry>", text), kind=kind)
    found = {}
    for each in made.bundle["entry"]:
        found.setdefault(each["resource"]["resourceType"], []).append(each["resource"])
    return found, made.quality
