"""CDA and HL7 v2 that are bombs, or none."""

from itertools import product

from tests.attack.forms import posted


def cases():
    xml = '<ClinicalDocument xmlns="urn:hl7-org:v3">{}</ClinicalDocument>'
    bodies = [
        "",
        "<",
        xml.format(""),
        xml.format("<a>" * 50_000),
        '<!DOCTYPE a SYSTEM "http://evil.example/x">' + xml.format(""),
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + xml.format("&b;"),
        "\0",
        '<?xml version="1.1"?>' + xml.format(""),
    ]
    for body, path in product(bodies, ("/$convert-cda", "/Patient")):
        kind = "application/cda+xml" if path[1] == "$" else "application/fhir+xml"
        yield posted("", body, auth="clinician", never_in_answer=["root:"]) | {
            "path": path,
            "content_type": kind,
        }
    for body in (
        "",
        "MSH|^~\\&",
        "MSH|^~\\&|" + "a|" * 20_000,
        "BHS|^~\\&|\rMSH|^~\\&|",
        "PID|1",
        "MSH|^~\\&|\\X0000\\",
        "\x0bMSH",
    ):
        kind = "x-application/hl7-v2+er7"
        yield posted("", body, auth="clinician") | {"path": "/$process-hl7v2", "content_type": kind}
