"""A document that somebody sent (FHIR or CDA), or that this node composed, as a page, and the same as a file.

The language of the page's own words is the portal's; the document may be read in each language of the Union
(`in`). Any other format is saved, never shown in the page's own origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup
from starlette.responses import Response

from salus.primary.days import own_name
from salus.primary.reading.document import read_document
from salus.primary.reading.html import content
from salus.primary.reading.model import Reading
from salus.primary.reading.pdf import PDF, print_pdf
from salus.primary.wording.catalogue import LANGUAGES
from salus.store.shares import LARGE_BYTES, beside
from salus.web.portal.checking import check_document
from salus.web.portal.visit import Visit

TO_SAVE = {"content-security-policy": "default-src 'none'; sandbox", "x-content-type-options": "nosniff"}
"""Headers of a file that is saved, and never shown as a page of this origin."""
ENTRY_BYTES = 600
"""What an entry counts for when it is decided whether to read beside the event loop."""
Resource = dict[str, Any]  # FHIR content is open JSON, hence Any


def chosen(visit: Visit) -> str:
    """Return the language that the document is asked for in, else that of the page."""
    asked = visit.request.query_params.get("in", "")
    return asked if asked in LANGUAGES else visit.language


async def read_for(visit: Visit, document: Resource) -> Reading:
    """Return a document as the visitor reads it."""
    size = len(document.get("entry", ())) * ENTRY_BYTES
    return await beside(size, read_document, document, chosen(visit), visit.services.clock())


async def send_pdf(visit: Visit, document: Resource) -> Response:
    """Return a document as a PDF to save, printed beside the event loop, one at a time for each caller."""
    services = visit.services
    reading = await read_for(visit, document)
    share = services.database.shares.of(visit.caller)
    printed = await share.beside(LARGE_BYTES + 1, print_pdf, reading, services.clock(), services.limits)
    disposition = f'attachment; filename="{reading.category}-{reading.language}.pdf"'
    return Response(printed, headers={**TO_SAVE, "content-type": PDF, "content-disposition": disposition})


async def show_letter(
    visit: Visit,
    document: Resource,
    *,
    path: str,
    title: str = "",
    banner: dict[str, object] | None = None,
    back: str = "",
    save: str = "",
    home_says: Sequence[str] = (),
    pictures: Sequence[object] = (),
) -> Response:
    """Return a document as a page.

    Args:
        visit: who asks, in which language.
        document: the Bundle.
        path: address of the page; its PDF is at `path` + "/pdf".
        title: of the page, where it is not the document's.
        banner: the patient's, for professionals.
        back: address of the page that it was chosen from, "" for none.
        save: address of the document's bytes, "" for none.
        home_says: what the patient's home told this node of what it got, in words.
        pictures: of the studies that it names (`images.pictures_in`).
    """
    reading = await read_for(visit, document)
    return visit.show(
        "reading.html",
        title or reading.title,
        content=Markup(content(reading)),  # noqa: S704  its templates escape what sources wrote
        entries=reading.entries,
        translated=reading.translated,
        validation=check_document(document),
        banner=banner,
        path=path,
        chosen=reading.language,
        offered={code: own_name(code) for code in LANGUAGES},
        back=back,
        save=save,
        home_says_notes=home_says,
        pictures_of_studies=pictures,
    )
