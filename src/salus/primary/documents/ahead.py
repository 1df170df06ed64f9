"""Documents of nobody, composed when a process starts: what profiles say is compiled when it is first needed,
which takes half a second that no reader should wait for.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from functools import cache

from salus.intake.synth.generator import synthesize
from salus.primary.composing.material import Terms, material_of
from salus.primary.documents.registry import kind_about


@cache
def compose_ahead(country: str, today: date) -> int:
    """Compose every document of a synthetic citizen; return how many. Nothing is kept.

    Args:
        country: ISO 3166-1 alpha-2, of the citizen.
        today: of whom the record is current.
    """
    resources = list(synthesize(1, country, 1, today))
    patient = next(each for each in resources if each["resourceType"] == "Patient")
    material = material_of(resources, patient=patient)
    terms = Terms("(nobody)", datetime.combine(today, time(), UTC), ("en",))
    about = [(each, kind) for each in resources if (kind := kind_about(each, material)) is not None]
    return sum(bool(kind.compose(material, each, terms)) for each, kind in about)
