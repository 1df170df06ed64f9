"""What of a scope is given: never more than was asked for, nor than was registered."""

import pytest

from salus.trust.scopes import given


@pytest.mark.parametrize(
    ("asked", "held", "found"),
    [
        ("patient/Observation.rs", ["patient/*.rs"], ("patient/Observation.rs",)),
        ("patient/Observation.read", ["patient/*.rs"], ("patient/Observation.read",)),
        ("patient/Observation.cruds", ["patient/*.rs"], ("patient/Observation.rs",)),
        ("patient/*.rs", ["patient/Observation.rs", "patient/Patient.r"],
         ("patient/Observation.rs", "patient/Patient.r")),
        ("patient/*.rs", ["patient/*.cruds"], ("patient/*.rs",)),
        ("patient/Observation.rs", ["user/*.rs", "system/*.cruds"], ()),
        ("patient/Condition.rs", ["patient/Observation.rs"], ()),
        ("patient/Observation.rs?category=laboratory", ["patient/Observation.cruds"],
         ("patient/Observation.rs?category=laboratory",)),
        ("patient/Observation.rs", ["patient/Observation.rs?category=laboratory"],
         ("patient/Observation.rs?category=laboratory",)),
        ("patient/*.rs", ["patient/Observation.rs?category=laboratory"],
         ("patient/Observation.rs?category=laboratory",)),
        ("patient/Observation.rs?category=vital-signs", ["patient/Observation.rs?category=laboratory"], ()),
        ("patient/Observation.c?category=laboratory", ["patient/*.cruds"], ()),
        ("patient/Observation.cruds?category=laboratory", ["patient/*.cruds"],
         ("patient/Observation.rs?category=laboratory",)),
        ("openid", ["openid", "fhirUser"], ("openid",)),
        ("offline_access", ["openid"], ()),
        ("nonsense/scope", ["patient/*.rs"], ()),
    ],
)  # fmt: skip
def test_what_is_given_is_what_both_say(asked, held, found):
    assert given(asked, held) == found
