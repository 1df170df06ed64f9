"""XML of releases, read as a stream: no DTD is loaded, no entity is resolved, nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from salus.core.errors import MalformedContent
from salus.standards.terminology.releases.release import Files


def elements(files: Files, name: str, *tags: str) -> Iterator[etree._Element]:
    """Yield the elements of the tags (without namespace) as they end; each is emptied after it was looked at.

    Raises:
        MalformedContent: the file is no well-formed XML.
    """
    with files.stream(name) as stream:
        try:
            for _, element in etree.iterparse(
                stream,
                events=("end",),
                tag=[f"{{*}}{one}" for one in tags],
                resolve_entities=False,
                load_dtd=False,
                no_network=True,
                huge_tree=False,
            ):
                yield element
                element.clear()
                above = element.getparent()
                while above is not None and element.getprevious() is not None:
                    del above[0]
        except etree.XMLSyntaxError as error:
            raise MalformedContent(f"{name} is no well-formed XML: {error}") from error


def first_tag(files: Files, name: str) -> str:
    """Return the root's tag without namespace, "" for a file that is no XML."""
    with files.stream(name) as stream:
        try:
            for _, element in etree.iterparse(
                stream, events=("start",), resolve_entities=False, load_dtd=False, no_network=True
            ):
                return local(element)
        except etree.XMLSyntaxError:
            return ""
    return ""


def local(element: etree._Element) -> str:
    """Return a tag without its namespace."""
    return str(etree.QName(element).localname)


def text_of(element: etree._Element | None) -> str:
    """Return all text in an element, spaces made one."""
    return "" if element is None else " ".join("".join(element.itertext()).split())


def children(element: etree._Element, tag: str) -> list[etree._Element]:
    """Return the children of a tag, in any namespace."""
    return [one for one in element if isinstance(one.tag, str) and local(one) == tag]


def child(element: etree._Element, tag: str) -> etree._Element | None:
    """Return the first child of a tag."""
    return next(iter(children(element, tag)), None)
