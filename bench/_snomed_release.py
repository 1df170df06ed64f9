"""Writes a synthetic SNOMED CT RF2 snapshot of any size: the published layout, invented content."""

from __future__ import annotations

import random
from pathlib import Path

_CONCEPT = "id\teffectiveTime\tactive\tmoduleId\tdefinitionStatusId"
_DESCRIPTION = (
    "id\teffectiveTime\tactive\tmoduleId\tconceptId\tlanguageCode\ttypeId\tterm\tcaseSignificanceId"
)
_RELATION = (
    "id\teffectiveTime\tactive\tmoduleId\tsourceId\tdestinationId\trelationshipGroup\ttypeId"
    "\tcharacteristicTypeId\tmodifierId"
)
_LANGUAGE = "id\teffectiveTime\tactive\tmoduleId\trefsetId\treferencedComponentId\tacceptabilityId"
_MODULE, _DATE = "900000000000207008", "20260701"
_US, _GB = "900000000000509007", "900000000000508004"
_PREFERRED, _ACCEPTABLE = "900000000000548007", "900000000000549004"
_WORDS = (
    "acute",
    "chronic",
    "fracture",
    "infection",
    "structure",
    "left",
    "right",
    "upper",
    "lower",
    "benign",
    "procedure",
    "finding",
    "device",
    "heart",
    "liver",
    "kidney",
    "bone",
    "skin",
    "artery",
    "muscle",
)
SECOND_PARENTS = 0.45
"""Share of concepts with a second parent."""
NEAR_PARENTS = 0.9
"""Share of second parents that stand near the first in the hierarchy."""


def write_snapshot(folder: Path, concepts: int, seed: int = 1) -> None:
    """Write a snapshot: a concept has a full name, a preferred term, synonyms, and one or two parents."""
    chance = random.Random(seed)
    terminology, language = folder / "Snapshot/Terminology", folder / "Snapshot/Refset/Language"
    terminology.mkdir(parents=True)
    language.mkdir(parents=True)
    suffix = f"INT_{_DATE}.txt"
    with (
        (terminology / f"sct2_Concept_Snapshot_{suffix}").open("w") as of_concepts,
        (terminology / f"sct2_Description_Snapshot-en_{suffix}").open("w") as of_names,
        (terminology / f"sct2_Relationship_Snapshot_{suffix}").open("w") as of_relations,
        (language / f"der2_cRefset_LanguageSnapshot-en_{suffix}").open("w") as of_languages,
    ):
        for file, header in (
            (of_concepts, _CONCEPT),
            (of_names, _DESCRIPTION),
            (of_relations, _RELATION),
            (of_languages, _LANGUAGE),
        ):
            file.write(header + "\n")
        description = relation = 0
        for number in range(concepts):
            code = 100_000_000 + number
            of_concepts.write(f"{code}\t{_DATE}\t1\t{_MODULE}\t900000000000074008\n")
            words = " ".join(chance.choice(_WORDS) for _ in range(3))
            terms = [
                ("900000000000003001", f"{words} {number} (finding)"),
                ("900000000000013009", f"{words} {number}"),
            ]
            terms += [
                ("900000000000013009", f"{words} {number} variant {one}")
                for one in range(chance.randrange(1, 5))
            ]
            for place, (kind, term) in enumerate(terms):
                description += 1
                of_names.write(
                    f"{description}\t{_DATE}\t1\t{_MODULE}\t{code}\ten\t{kind}\t{term}\t900000000000448009\n"
                )
                acceptability = _PREFERRED if place < 2 else _ACCEPTABLE
                for dialect in (_US, _GB):
                    of_languages.write(
                        f"m{description}\t{_DATE}\t1\t{_MODULE}\t{dialect}\t{description}\t{acceptability}\n"
                    )
            if number == 0:
                continue
            parents = {int(number * chance.random() ** 2)} if number > 20 else {0}
            if chance.random() < SECOND_PARENTS and number > 20:
                first = next(iter(parents))
                is_near = chance.random() < NEAR_PARENTS
                parents.add(
                    max(0, first - chance.randrange(50)) if is_near else int(number * chance.random())
                )
            for parent in parents - {number}:
                relation += 1
                of_relations.write(
                    f"{relation}\t{_DATE}\t1\t{_MODULE}\t{code}\t{100_000_000 + parent}\t0\t116680003"
                    "\t900000000000011006\t900000000000451002\n"
                )
