from __future__ import annotations

import pytest

from salus.core.limits import Limits
from salus.standards.fhir.codec.lines import lines_of

JSON = b"""{
 "resourceType": "Patient",
 "name": [
  {"family": "a",
   "given": ["x",
    "y"]},
  {"family": "\\"b\\" {["}],
 "deceasedBoolean": false,
 "_birthDate": {"id":
  "q"}
}"""
XML = b"""<Patient xmlns="http://hl7.org/fhir">
 <name>
  <family value="a"/>
  <given value="x"/>
  <given value="y"/>
 </name>
 <name><family value="b"/></name>
 <deceasedBoolean value="false"/>
 <contained><Organization>
  <name value="o"/></Organization></contained>
</Patient>"""


@pytest.mark.parametrize(
    ("body", "expression", "line"),
    [
        (JSON, "Patient", 1),
        (JSON, "Patient.name[0].given[1]", 6),
        (JSON, "Patient.name[1].family", 7),
        (JSON, "Patient.name[1].period.start", 7),
        (JSON, "Patient.deceased.ofType(boolean)", 8),
        (JSON, "Patient.birthDate", 9),
        (JSON, "Patient.gender", 1),
        (XML, "Patient.name[0].given[1]", 5),
        (XML, "Patient.name[1].family", 7),
        (XML, "Patient.deceased.ofType(boolean)", 8),
        (XML, "Patient.contained[0].name", 10),
        (b"nothing at all", "Patient.name", 1),
        (b"<not closed", "Patient.name", 1),
    ],
)
def test_the_line_of_an_expression(body, expression, line):
    assert lines_of(body, Limits()).line(expression) == line
