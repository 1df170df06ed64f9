"""Which format comes in and which goes out (http://hl7.org/fhir/R4/http.html#mime-type)."""

from __future__ import annotations

from enum import Enum

import msgspec

from salus.core.errors import NotAcceptable, UnsupportedMedia


class Format(Enum):
    """A wire format of FHIR resources, by its media type."""

    JSON = "application/fhir+json"
    XML = "application/fhir+xml"

    @property
    def content_type(self) -> bytes:
        """Return the Content-Type of an answer in this format."""
        return CONTENT_TYPES[self]


CONTENT_TYPES = {each: f"{each.value}; charset=utf-8".encode("ascii") for each in Format}
NAMES = {
    "application/fhir+json": Format.JSON,
    "application/json": Format.JSON,
    "text/json": Format.JSON,
    "json": Format.JSON,
    "application/fhir+xml": Format.XML,
    "application/xml": Format.XML,
    "text/xml": Format.XML,
    "xml": Format.XML,
    "*/*": Format.JSON,
    "application/*": Format.JSON,
    "text/*": Format.JSON,
}
FHIR_VERSIONS = frozenset({"4.0", "4.0.1"})
SUPPORTED = "use application/fhir+json or application/fhir+xml"


class Media(msgspec.Struct, frozen=True):
    """One media range of a header: its name in lower case and its parameters."""

    name: str
    parameters: dict[str, str]


def parse_media(text: str) -> Media:
    """Read ``type/subtype; key=value``; a form that cannot be read gives the empty name."""
    name, _, rest = text.partition(";")
    parameters = {}
    for part in rest.split(";"):
        key, _, parameter = part.partition("=")
        if key.strip():
            parameters[key.strip().lower()] = parameter.strip().strip('"')
    return Media(name.strip().lower(), parameters)


def quality(media: Media) -> float:
    """Return the weight of a media range (RFC 9110, 12.4.2); one that cannot be read weighs nothing."""
    text = media.parameters.get("q", "1")
    return float(text) if text.replace(".", "", 1).isdigit() and len(text) <= 6 else 0.0


def accepts(media: Media) -> bool:
    """Return whether the node can write this media range in the FHIR version it asks for."""
    return media.name in NAMES and media.parameters.get("fhirversion", "4.0") in FHIR_VERSIONS


def answer_format(accept: str, override: str | None = None) -> Format:
    """Return the format to answer in.

    Args:
        accept: the Accept header, "" when absent.
        override: the `_format` parameter; it wins over the header.

    Raises:
        NotAcceptable: neither JSON nor XML, or another FHIR version than R4.
    """
    if override is not None:
        media = parse_media(override.replace(" ", "+"))
        if not accepts(media):
            raise NotAcceptable(f"The _format asked for is not known: {SUPPORTED}.")
        return NAMES[media.name]
    if not accept or accept == "*/*" or accept == "application/fhir+json":
        return Format.JSON
    ranges = [media for media in map(parse_media, accept.split(",")[:32]) if accepts(media)]
    best = max(ranges, key=lambda media: (quality(media), "*" not in media.name), default=None)
    if best is None or quality(best) <= 0:
        raise NotAcceptable(f"The node writes none of the formats in the Accept header: {SUPPORTED}.")
    return NAMES[best.name]


def is_fhir(accept: str) -> bool:
    """Return whether an Accept header names a form in which the node writes resources."""
    return any(accepts(media) and quality(media) > 0 for media in map(parse_media, accept.split(",")[:32]))


def weight_of(accept: str, media_type: str) -> float:
    """Return the weight of a media type in an Accept header: that of its most specific range, 0 for none."""
    wanted = parse_media(media_type).name
    found = (-1, 0.0)
    for media in map(parse_media, accept.split(",")[:32]):
        main, _, sub = media.name.partition("/")
        if media.name == wanted:
            found = max(found, (2, quality(media)))
        elif sub == "*" and wanted.startswith(main + "/"):
            found = max(found, (1, quality(media)))
        elif media.name == "*/*":
            found = max(found, (0, quality(media)))
    return found[1]


def body_media(content_type: str) -> Media:
    """Return the declared media type of a body.

    Raises:
        UnsupportedMedia: none is declared, the charset is not UTF-8, or FHIR is not R4.
    """
    if not content_type:
        raise UnsupportedMedia(f"The request has no Content-Type: {SUPPORTED}.")
    media = parse_media(content_type)
    if media.parameters.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
        raise UnsupportedMedia("The node reads UTF-8 only: send charset=utf-8.")
    if media.parameters.get("fhirversion", "4.0") not in FHIR_VERSIONS:
        raise UnsupportedMedia("The node speaks FHIR R4: send fhirVersion=4.0.")
    return media


def body_format(content_type: str) -> Format:
    """Return the format of a resource in a body.

    Raises:
        UnsupportedMedia: the Content-Type is neither FHIR JSON nor FHIR XML.
    """
    media = body_media(content_type)
    if media.name not in NAMES or "*" in media.name or "/" not in media.name:
        raise UnsupportedMedia(f"A resource cannot be read from this Content-Type: {SUPPORTED}.")
    return NAMES[media.name]
