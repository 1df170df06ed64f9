"""`salus terminology`: load releases of code systems, and ask what a node would answer."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from salus.cli.command import Command
from salus.cli.package_folder import add_packages_option
from salus.cli.terminal import say, say_json
from salus.core.clock import utc_now
from salus.core.errors import NotFound
from salus.standards.fhir.codec.json import write_json
from salus.standards.terminology.operations import Occasion, run
from salus.standards.terminology.releases.registry import loaders
from salus.standards.terminology.releases.release import Wish
from salus.store.terminology import PACKAGES, RELEASES, Held, held, load, remove
from salus.store.terminology_packages import library_in

Json = dict[str, Any]  # Any: FHIR JSON
_WORDS = {
    "load": "FILE|FOLDER|ZIP",
    "list": "",
    "remove": "SYSTEM [VERSION]",
    "lookup": "SYSTEM CODE",
    "subsumes": "SYSTEM CODE_A CODE_B",
    "expand": "VALUE_SET",
    "validate": "VALUE_SET SYSTEM CODE",
    "translate": "SYSTEM CODE",
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=tuple(_WORDS))
    forms = "; ".join(f"{name} {words}" for name, words in _WORDS.items() if words)
    parser.add_argument("what", nargs="*", metavar="WHAT", help=forms)
    add_packages_option(parser)
    parser.add_argument("--kind", default="", help=f"load: kind of release, one of {', '.join(loaders())}")
    parser.add_argument(
        "--system", default="", metavar="URL", help="load: the code system, where files do not say"
    )
    parser.add_argument("--version", default="", help="load, lookup: the version")
    parser.add_argument("--language", default="", metavar="TAG", help="names in this language, e.g. pt-BR")
    parser.add_argument("--display", default="", help="validate: the display to check")
    parser.add_argument("--filter", default="", metavar="TEXT", help="expand: codes that the text finds")
    parser.add_argument("--count", type=int, help="expand: codes on a page")
    parser.add_argument("--offset", type=int, help="expand: where the page begins")
    parser.add_argument(
        "--target", default="", metavar="URL", help="translate: the code system to translate to"
    )
    parser.add_argument("--map", default="", metavar="URL", help="translate: by this concept map")
    parser.add_argument("--json", action="store_true", help="as FHIR or one object a line")


def _run(options: argparse.Namespace) -> int:
    return _ACTIONS[options.action](options)


def _words(options: argparse.Namespace, least: int, most: int) -> list[str]:
    if not least <= len(options.what) <= most:
        raise NotFound(f"Say: salus terminology {options.action} {_WORDS[options.action]}.")
    return list(options.what)


def _load(options: argparse.Namespace) -> int:
    (path,) = _words(options, 1, 1)
    wish = Wish(options.system, options.version, options.language)
    tell = (lambda step: None) if options.json else (lambda step: say(f"  {step} ..."))
    written = load(Path(path), options.data / RELEASES, options.kind, wish, tell)
    if options.json:
        say_json(msgspec.json.encode({**msgspec.structs.asdict(written), "path": str(written.path)}))
        return 0
    say(f"loaded {written.url} {written.version}: {written.concepts:,} concepts, {written.names:,} names")
    if written.left_out:
        say(f"left out {written.left_out:,} rows that name codes which the release does not define")
    return 0


def _list(options: argparse.Namespace) -> int:
    _words(options, 0, 0)
    found = held(options.data / RELEASES)
    _tell(found, "", as_json=options.json)
    if not found and not options.json:
        say(f"no release in {options.data / RELEASES}; load one: salus terminology load FILE")
    return 0


def _remove(options: argparse.Namespace) -> int:
    url, *version = _words(options, 1, 2)
    _tell(remove(options.data / RELEASES, url, *version), "removed ", as_json=options.json)
    return 0


def _tell(found: Iterable[Held], verb: str, *, as_json: bool) -> None:
    for one in found:
        if as_json:
            say_json(msgspec.json.encode(one))
        else:
            amount = f"{one.concepts:,} concepts, {one.names:,} names, {one.bytes / 2**20:.1f} MiB"
            say(f"{verb}{one.url} {one.version}\t{one.title}\t{amount}")


def _ask(options: argparse.Namespace, operation: str, **values: object) -> Json:
    """Return what a node with these packages and releases answers."""
    given = {name: value for name, value in values.items() if value not in ("", None)}
    if options.language:
        given["displayLanguage"] = options.language
    kinds: Mapping[type, str] = {int: "valueInteger"}
    rows = [{"name": name, kinds.get(type(one), "valueString"): one} for name, one in given.items()]
    folders = [options.packages] if options.packages else [options.data / PACKAGES]
    occasion = Occasion(f"urn:uuid:{uuid.uuid4()}", utc_now().strftime("%Y-%m-%dT%H:%M:%SZ"))
    parameters = {"resourceType": "Parameters", "parameter": rows}
    return run(operation, parameters, library_in(folders, options.data / RELEASES), occasion)


def _parts(rows: Iterable[Json]) -> Json:
    """Return simple parameters by name; those with parts or resources are left out."""
    found: Json = {}
    for one in rows:
        value = next((value for key, value in one.items() if key.startswith("value")), None)
        if value is not None:
            found.setdefault(one["name"], value)
    return found


def _lookup(options: argparse.Namespace) -> int:
    system, code = _words(options, 2, 2)
    answer = _ask(options, "CodeSystem/$lookup", system=system, code=code, version=options.version)
    if options.json:
        say_json(write_json(answer))
        return 0
    said = _parts(answer["parameter"])
    say(f"{said['code']}\t{said.get('display', '')}\t{said['system']} {said.get('version', '')}")
    for one in answer["parameter"]:
        if one["name"] == "designation":
            name = _parts(one["part"])
            say(f"  {name.get('language', '-')}\t{name['value']}\t{name.get('use', {}).get('code', '')}")
        elif one["name"] == "property":
            fact = _parts(one["part"])
            say(f"  {fact['code']}\t{fact.get('value', '')}\t{fact.get('description', '')}")
    return 0


def _subsumes(options: argparse.Namespace) -> int:
    system, left, right = _words(options, 3, 3)
    answer = _ask(
        options, "CodeSystem/$subsumes", system=system, codeA=left, codeB=right, version=options.version
    )
    if options.json:
        say_json(write_json(answer))
    else:
        say(_parts(answer["parameter"])["outcome"])
    return 0


def _expand(options: argparse.Namespace) -> int:
    (url,) = _words(options, 1, 1)
    answer = _ask(
        options,
        "ValueSet/$expand",
        url=url,
        filter=options.filter,
        count=options.count,
        offset=options.offset,
    )
    if options.json:
        say_json(write_json(answer))
        return 0
    expansion = answer.get("expansion", {})
    _say_codes(expansion.get("contains", ()), 0)
    say(f"total {expansion.get('total', 'not counted')}")
    return 0


def _say_codes(rows: Iterable[Json], depth: int) -> None:
    for one in rows:
        mark = " (inactive)" if one.get("inactive") else " (not selectable)" if one.get("abstract") else ""
        say(f"{'  ' * depth}{one.get('code', '')}\t{one.get('display', '')}{mark}\t{one.get('system', '')}")
        _say_codes(one.get("contains", ()), depth + 1)


def _validate(options: argparse.Namespace) -> int:
    url, system, code = _words(options, 3, 3)
    answer = _ask(
        options, "ValueSet/$validate-code", url=url, system=system, code=code, display=options.display
    )
    said = _parts(answer["parameter"])
    if options.json:
        say_json(write_json(answer))
    else:
        say("yes" if said["result"] else "no")
        resources = [one["resource"] for one in answer["parameter"] if one["name"] == "issues"]
        outcome: Json = resources[0] if resources else {}
        for issue in outcome.get("issue", ()):
            say(f"  {issue['severity']}\t{issue['details']['text']}")
    return 0 if said["result"] else 1


def _translate(options: argparse.Namespace) -> int:
    system, code = _words(options, 2, 2)
    answer = _ask(
        options,
        "ConceptMap/$translate",
        system=system,
        code=code,
        targetsystem=options.target,
        url=options.map,
    )
    said = _parts(answer["parameter"])
    if options.json:
        say_json(write_json(answer))
        return 0 if said["result"] else 1
    for one in answer["parameter"]:
        if one["name"] == "match":
            match = _parts(one["part"])
            source, target = match["source"], match.get("concept", {})
            sides = [f"{end.get('code', '')} {end.get('display', '')}".rstrip() for end in (source, target)]
            say(f"{sides[0]}\t{match.get('equivalence', '')}\t{sides[1]}")
    if "message" in said:
        say(said["message"])
    return 0 if said["result"] else 1


_ACTIONS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "load": _load,
    "list": _list,
    "remove": _remove,
    "lookup": _lookup,
    "subsumes": _subsumes,
    "expand": _expand,
    "validate": _validate,
    "translate": _translate,
}

COMMAND = Command("terminology", "Load releases of code systems, and ask about codes.", _arguments, _run)
