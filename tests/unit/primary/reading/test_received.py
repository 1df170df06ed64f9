"""A CDA document is read as a page, like a FHIR one; what a page cannot show is saved."""

import pytest
from tests.unit.standards.cda.samples import document, section
from tests.unit.standards.cda.test_entries import ASTHMA, PRESCRIPTION, problem, taken

from salus.core.errors import MalformedContent
from salus.core.limits import Limits
from salus.primary.reading.document import read_document
from salus.primary.reading.received import document_in, may_be_read


def test_a_cda_summary_is_read_under_its_own_title():
    body = document(section("11450-4", f"<entry>{problem(ASTHMA)}</entry>", "<paragraph>Asma</paragraph>"))
    read = read_document(document_in(body, "text/xml", Limits()), "en")
    assert read.title
    assert "J45" in repr(read) or "Asma" in repr(read)


def test_a_prescription_in_cda_is_read_too():
    item = taken(template="1.3.6.1.4.1.12559.11.10.1.3.1.3.2")
    body = document(section("57828-6", f"<entry>{item}</entry>"), kind=PRESCRIPTION)
    assert "Eutirox" in repr(read_document(document_in(body, "application/xml", Limits()), "en"))


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"<html/>", "text/xml"),
        (b"%PDF", "application/pdf"),
        (document(kind=("1.2.3", "11488-4")), "text/xml"),
        (document(section("11450-4", "", f"<paragraph>{'x' * (1 << 20)}</paragraph>")), "text/xml"),
    ],
)
def test_what_no_page_can_show_is_saved(body, media_type):
    assert may_be_read(media_type) is (media_type == "text/xml")
    with pytest.raises(MalformedContent, match="save it"):
        document_in(body, media_type, Limits())
