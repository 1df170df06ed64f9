from __future__ import annotations

import pytest

from salus.standards.fhir.packages.dependencies import closure
from salus.standards.fhir.packages.manifest import Manifest
from salus.standards.fhir.packages.versions import newest, satisfies, sort_key


def test_versions_are_ordered_as_semantic_versioning_says():
    # https://semver.org/spec/v2.0.0.html, section 11
    given = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
    ]
    given += ["1.0.0-rc.1", "1.0.0", "2.0.0", "2.1.0", "2.1.1", "10.0.0"]
    assert sorted(set(given), key=sort_key) == given
    assert sorted(["1.0.0", "no version"], key=sort_key)[-1] == "1.0.0"


@pytest.mark.parametrize(
    ("version", "wanted", "answer"),
    [
        ("5.2.0", "5.2.0", True),
        ("5.2.1", "5.2.0", False),
        ("5.2.1", "5.2.x", True),
        ("5.3.0", "5.2.x", False),
        ("5.3.0", "5.x", True),
        ("5.2.0", "5.2", True),
        ("1.0.0-ci", "latest", True),
        ("1.0.0", "", True),
    ],
)
def test_what_satisfies_a_wanted_version(version, wanted, answer):
    assert satisfies(version, wanted) is answer


def test_the_newest_is_found():
    assert newest(["1.0.0", "1.10.0", "1.9.0", "2.0.0-ballot"], "1.x") == "1.10.0"
    assert newest(["1.0.0"], "2.x") is None


def package(name: str, version: str, **dependencies: str) -> Manifest:
    return Manifest(name, version, dependencies=dependencies)


def test_dependencies_come_first_and_what_is_missing_is_named():
    core, base = package("core", "4.0.1"), package("base", "2.0.0", core="4.0.1")
    guide = package("guide", "1.0.0", base="1.0.0", core="4.0.1", absent="1.0.0")
    found = closure([guide], [guide, base, core])
    assert [one.label for one in found.packages] == ["core#4.0.1", "base#2.0.0", "guide#1.0.0"]
    assert set(found.missing) == {"base#1.0.0", "absent#1.0.0"}


def test_packages_that_depend_on_each_other_end():
    one, two = package("one", "1.0.0", two="1.0.0"), package("two", "1.0.0", one="1.0.0")
    assert {found.name for found in closure([one], [one, two]).packages} == {"one", "two"}
