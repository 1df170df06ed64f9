"""The description of a document that is composed when it is fetched: of every kind, in every language."""

from datetime import UTC, datetime

import pytest

from salus.primary.composing.material import Terms, material_of
from salus.primary.documents.offers import name_of, named_by, offer_of
from salus.primary.documents.registry import kinds
from salus.primary.wording.catalogue import ENGLISH, LANGUAGES
from salus.standards.fhir.validation.validator import validate

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "Silva"}]}


def offer(kind, language):
    about = {"resourceType": sorted(kind.types)[0], "id": "p", "subject": {"reference": "Patient/p"}}
    about = PATIENT if about["resourceType"] == "Patient" else about
    terms = Terms("Node", NOW, (language,))
    return about, offer_of(kind, about, material_of([about], patient=PATIENT), terms, "https://n.test/fhir")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_is_offered_in_every_language(language):
    titles = set()
    for kind in kinds().values():
        about, described = offer(kind, language)
        assert [each for each in validate(described) if each.severity in ("error", "fatal")] == []
        attachment = described["content"][0]["attachment"]
        assert attachment["language"] == language
        assert attachment["title"] not in ("", kind.title)
        assert named_by(name_of(kind, about)) == (kind, "p")
        titles.add(attachment["title"])
    assert len(titles) == len(kinds())


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != ENGLISH])
def test_no_title_is_left_in_english(language):
    for kind in kinds().values():
        titles = [offer(kind, each)[1]["content"][0]["attachment"]["title"] for each in (language, ENGLISH)]
        assert titles[0] != titles[1], kind.name
