"""Whom a search names: by a patient's id, or by something of theirs that the store can look up.

An answer about somebody tells something of them even when it is "none", so their access log says that it
was asked (EHDS article 9).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from salus.core.identifiers import is_fhir_id
from salus.standards.fhir.search.parameters import parameters_of, reference_targets
from salus.standards.fhir.search.query import (
    Chain,
    Condition,
    Criterion,
    Has,
    Query,
    ReferenceValue,
    TokenValue,
)


class Named(msgspec.Struct, frozen=True):
    """What the criteria of a search name.

    Args:
        patients: logical ids of patients.
        resources: (type, id) of other resources, which may be somebody's.
        lookups: (type, condition) by identifier: whoever it finds is named.
    """

    patients: frozenset[str] = frozenset()
    resources: frozenset[tuple[str, str]] = frozenset()
    lookups: tuple[tuple[str, Condition], ...] = ()

    def needs_looking_up(self, *, found: int) -> bool:
        """Return whether somebody may be named of whom none of the `found` resources is."""
        count = len(self.resources) + sum(len(condition.values) for _, condition in self.lookups)
        return count > (1 if found else 0)


def named_by(query: Query) -> Named:
    """Return what a search names, in chains and _has too."""
    patients: set[str] = {query.compartment} if query.compartment else set()
    resources: set[tuple[str, str]] = set()
    lookups: list[tuple[str, Condition]] = []
    _collect(query.type, query.criteria, patients, resources, lookups)
    return Named(frozenset(patients), frozenset(resources), tuple(lookups))


def _collect(
    kind: str,
    criteria: Sequence[Criterion],
    patients: set[str],
    resources: set[tuple[str, str]],
    lookups: list[tuple[str, Condition]],
) -> None:
    for criterion in criteria:
        if isinstance(criterion, Chain):
            for target, inner in criterion.targets:
                _collect(target, (inner,), patients, resources, lookups)
        elif isinstance(criterion, Has):
            _collect(criterion.type, (criterion.criterion,), patients, resources, lookups)
        elif criterion.modifier == "missing":
            continue
        elif criterion.modifier == "identifier":
            if "Patient" in reference_targets(criterion.parameter):
                of_patient = parameters_of("Patient")["identifier"]
                lookups.append(("Patient", Condition(of_patient, "", criterion.values)))
        elif criterion.parameter.code == "identifier" and criterion.parameter.type == "token":
            if criterion.modifier in ("", "not"):
                lookups.append((kind, msgspec.structs.replace(criterion, modifier="")))
        else:
            for name, identity in _keys(kind, criterion):
                if name == "Patient":
                    patients.add(identity)
                else:
                    resources.add((name, identity))


def _keys(kind: str, condition: Condition) -> list[tuple[str, str]]:
    """Return the (type, id) that a condition names."""
    parameter = condition.parameter
    if parameter.code == "_id":
        return [
            (kind, value.code)
            for value in condition.values
            if isinstance(value, TokenValue) and value.code and is_fhir_id(value.code)
        ]
    found = []
    for value in condition.values if parameter.type == "reference" else ():
        if isinstance(value, ReferenceValue) and value.id and is_fhir_id(value.id):
            if value.type:
                found.append((value.type, value.id))
            elif parameter.code == "patient":
                found.append(("Patient", value.id))
            else:
                found += [(target, value.id) for target in sorted(reference_targets(parameter))[:20]]
    return found
