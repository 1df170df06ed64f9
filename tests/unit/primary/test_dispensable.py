"""The rules of dispensing, next to the resources they read."""

from datetime import UTC, datetime, timedelta

import pytest

from salus.core.errors import Conflict
from salus.primary.dispensable import (
    check_dispensable,
    is_valid_at,
    most_now,
    remaining,
    too_early,
    why_not,
)
from salus.primary.prescriptions import (
    PRESCRIBED_QUANTITY,
    TOO_EARLY,
    read_dispensation,
    read_prescription,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
INPATIENT = [{"coding": [{"code": "inpatient"}]}]
TABLETS = {"system": "http://unitsofmeasure.org", "code": "{tbl}", "unit": "tablet"}


def prescription(status="active", **request):
    fields = {"quantity": {"value": 30, **TABLETS}, "numberOfRepeatsAllowed": 1} | request
    head = {"resourceType": "MedicationRequest", "id": "rx", "status": status, "intent": "order"}
    return head | {"authoredOn": "2026-11-01", "dispenseRequest": fields}


UCUM = {"system": "http://unitsofmeasure.org"}


def grams(total, each=1):
    whole = {"url": PRESCRIBED_QUANTITY, "valueQuantity": {"value": total, "code": "g", **UCUM}}
    once = {"value": each, "code": "g", **UCUM} if each else None
    return prescription(quantity=once, extension=[whole])


def dispensation(value=30, name="d1", status="completed", **members):
    return {
        "resourceType": "MedicationDispense",
        "identifier": [{"system": "urn:oid:1.2.3", "value": name}],
        "status": status,
        "authorizingPrescription": [{"reference": "MedicationRequest/rx"}],
        "quantity": {"value": value, **TABLETS},
    } | members


def left(request, *dispensations):
    return str(remaining(read_prescription(request), map(read_dispensation, dispensations)).amount)


@pytest.mark.parametrize(
    ("request_", "dispensations", "expected"),
    [
        (prescription(), [], "60 tablet"),
        (prescription(), [dispensation(20)], "40 tablet"),
        (prescription(), [dispensation(), dispensation(name="d2")], "0 tablet"),
        (prescription(), [dispensation(status="entered-in-error")], "60 tablet"),
        (prescription(), [dispensation(status="declined")], "60 tablet"),
        (prescription(), [dispensation("12.50")], "47.5 tablet"),
        (prescription(), [dispensation(quantity=None)], "30 tablet"),
        (prescription(), [dispensation(quantity={"value": 1, "unit": "box"})], "30 tablet"),
        (prescription(), [dispensation(quantity={"value": 1, "code": "{box}"} | UCUM)], "30 tablet"),
        (prescription(), [dispensation(-5)], "30 tablet"),
        (prescription(), [dispensation(90)], "0 tablet"),
        (grams(2, each=None), [dispensation(quantity={"value": 1, "unit": "box"})], "0 g"),
        (grams(2), [dispensation(quantity={"value": 500, "code": "mg"} | UCUM)], "1.5 g"),
        (grams(2), [dispensation(quantity={"value": 5, "code": "mL"} | UCUM)], "1 g"),
        (
            prescription(extension=[{"url": PRESCRIBED_QUANTITY, "valueQuantity": {"value": 50, **TABLETS}}]),
            [dispensation(20)],
            "30 tablet",
        ),
    ],
)
def test_what_is_left_is_the_prescribed_amount_less_what_was_handed_over(request_, dispensations, expected):
    assert left(request_, *dispensations) == expected


@pytest.mark.parametrize(
    ("request_", "known", "offered", "reason"),
    [
        (prescription("cancelled"), [], dispensation(), "cancelled"),
        (prescription("on-hold"), [], dispensation(), "on-hold"),
        (prescription(), [dispensation(), dispensation(20, "d2")], dispensation(11, "d3"), "only 10 tablet"),
        (prescription(), [dispensation(), dispensation(name="d2")], dispensation(1, "d3"), "nothing is left"),
        (prescription(), [], dispensation(31), "at most 30 tablet"),
        (prescription(), [], dispensation(0), "greater than zero"),
        (prescription(), [], dispensation(-5), "greater than zero"),
        (prescription(), [], dispensation(quantity={"value": 1, "code": "mg"}), "unit"),
        (prescription(), [], dispensation(status="preparation"), "completed or in-progress"),
        (prescription(validityPeriod={"end": "2026-11-23"}), [], dispensation(), "validity"),
        (prescription(validityPeriod={"start": "2026-11-25"}), [], dispensation(), "validity"),
        (prescription() | {"authoredOn": "1957-03-01"}, [], dispensation(), "validity"),
        (prescription() | {"authoredOn": ""}, [], dispensation(), "no date of writing"),
        (prescription() | {"intent": "plan"}, [], dispensation(), "its intent is plan"),
        (prescription() | {"intent": "proposal"}, [], dispensation(), "its intent is proposal"),
        (prescription() | {"doNotPerform": True}, [], dispensation(), "must not be given"),
        (
            prescription() | {"category": [{"coding": [{"code": "inpatient"}]}]},
            [],
            dispensation(),
            "hospital",
        ),
        (
            prescription() | {"substitution": {"allowedBoolean": False}},
            [],
            dispensation(substitution={"wasSubstituted": True}),
            "substitution",
        ),
        (
            prescription() | {"substitution": {"allowedBoolean": False}},
            [],
            dispensation(medicationCodeableConcept={"text": "Another product"}),
            "substitution",
        ),
    ],
)
def test_a_hand_over_that_breaks_a_rule_is_refused_by_name(request_, known, offered, reason):
    with pytest.raises(Conflict, match=reason):
        check_dispensable(
            read_prescription(request_),
            map(read_dispensation, known),
            read_dispensation(offered),
            now=NOW,
            country="PT",
        )


def test_a_substitution_is_recorded_where_the_prescriber_did_not_exclude_it():
    offered = read_dispensation(dispensation(substitution={"wasSubstituted": True}))
    check_dispensable(read_prescription(prescription()), [], offered, now=NOW, country="PT")


@pytest.mark.parametrize("end", ["2026-11-24", "2026-11", "2026", "2026-11-24T12:00:00Z"])
def test_the_last_day_of_validity_is_still_valid(end):
    assert is_valid_at(read_prescription(prescription(validityPeriod={"end": end})), NOW, "PT")


@pytest.mark.parametrize(
    ("country", "repeats", "authored", "valid"),
    [
        ("EE", 0, "2026-09-25", True),
        ("EE", 0, "2026-09-24", False),
        ("EE", 2, "2026-05-28", True),
        ("EE", 2, "2026-05-27", False),
        ("EE", 5, "2025-06-02", True),
        ("FR", 0, "2026-08-24", True),
        ("FR", 0, "2026-08-23", False),
        ("FR", 5, "2026-08-24", True),
        ("FR", 5, "2026-08-23", False),
        ("XX", 0, "2026-08-26", True),
        ("XX", 9, "2026-08-25", False),
        ("PT", 0, "2025-11-24", True),
        ("PT", 0, "2025-11-23", False),
        ("PT", 0, "2026-01", True),
        ("PT", 0, "1957", False),
        ("PT", 0, "soon", False),
    ],
)
def test_where_no_end_is_written_the_prescribing_country_says_how_long(country, repeats, authored, valid):
    request = prescription(numberOfRepeatsAllowed=repeats) | {"authoredOn": authored}
    assert is_valid_at(read_prescription(request), NOW, country) is valid


def noon(day):
    return datetime.fromisoformat(f"{day}T12:00:00+00:00")


@pytest.mark.parametrize(
    ("country", "authored", "last"),
    [
        ("FR", "2026-07-01", "2026-10-01"),
        ("FR", "2026-11-30", "2027-02-28"),
        ("PT", "2027-03-02", "2028-03-02"),
        ("PT", "2028-02-29", "2029-02-28"),
        ("EE", "2026-07-01", "2026-08-30"),
    ],
)
def test_months_are_counted_by_the_calendar_and_end_on_the_day_of_the_same_number(country, authored, last):
    item = read_prescription(prescription(numberOfRepeatsAllowed=0) | {"authoredOn": authored})
    assert is_valid_at(item, noon(last), country)
    assert not is_valid_at(item, noon(last) + timedelta(days=1), country)


def test_the_first_hand_over_in_france_is_within_three_months_and_the_others_within_a_year():
    item = read_prescription(prescription(numberOfRepeatsAllowed=5) | {"authoredOn": "2026-01-01"})
    given = read_dispensation(dispensation(whenHandedOver="2026-03-01"))
    taken_back = read_dispensation(dispensation(status="entered-in-error"))
    assert why_not(item, noon("2026-04-01"), "FR") is None
    for known in ([], [taken_back]):
        assert why_not(item, noon("2026-07-20"), "FR", known).code == "outside"
    assert why_not(item, noon("2026-07-20"), "FR", [given]) is None
    assert why_not(item, noon("2027-01-01"), "FR", [given]) is None
    assert why_not(item, noon("2027-01-02"), "FR", [given]).code == "outside"


def test_where_only_the_start_is_written_the_time_is_counted_from_it_if_it_is_the_later():
    later = read_prescription(
        prescription(validityPeriod={"start": "2026-06-01"}, numberOfRepeatsAllowed=0)
        | {"authoredOn": "2026-01-01"}
    )
    assert why_not(later, noon("2026-06-01"), "EE") is None
    assert why_not(later, noon("2026-07-31"), "EE") is None
    assert why_not(later, noon("2026-08-01"), "EE").code == "outside"
    earlier = prescription(validityPeriod={"start": "2026-01-01"}, numberOfRepeatsAllowed=0)
    item = read_prescription(earlier | {"authoredOn": "2026-06-01"})
    assert why_not(item, noon("2026-07-31"), "EE") is None


@pytest.mark.parametrize("period", [{"start": "2026-12-15", "end": "2027-01-31"}, {"start": "2026-12-15"}])
def test_a_period_that_has_not_begun_is_told_as_such(period):
    hindrance = why_not(read_prescription(prescription(validityPeriod=period)), NOW, "PT")
    assert (hindrance.code, hindrance.detail) == ("not-begun", "2026-12-15")
    assert str(hindrance) == "its validity period begins only on 2026-12-15"


def test_it_is_the_moment_of_the_hand_over_that_is_judged():
    ended = prescription(validityPeriod={"start": "2026-11-20", "end": "2026-11-23"})
    check(ended, given_at("2026-11-23T23:30:00Z"))
    check(ended, given_at("2026-11-23"))
    for late in (given_at("2026-11-24T00:10:00Z"), given_at("2026-11-24"), dispensation()):
        with pytest.raises(Conflict, match="outside its validity period"):
            check(ended, late)
    for early in ("2026-11-05", "2026-11-19T23:59:00Z"):
        with pytest.raises(Conflict, match="validity period begins only on 2026-11-20"):
            check(ended, given_at(early))


@pytest.mark.parametrize(
    "intent", ["order", "original-order", "reflex-order", "filler-order", "instance-order"]
)
def test_every_kind_of_order_may_be_dispensed(intent):
    assert why_not(read_prescription(prescription() | {"intent": intent}), NOW, "PT") is None


def check(request, offered, known=(), medications=None):
    item, made = read_prescription(request, medications), read_dispensation(offered, medications)
    check_dispensable(item, map(read_dispensation, known), made, now=NOW, country="PT")


def counted(value, noun, code="1"):
    return {"value": value, "unit": noun, "code": code} | UCUM


@pytest.mark.parametrize(
    ("prescribed", "given"),
    [
        (counted(30, "tablet"), counted(30, "box")),
        (counted(2, "box"), counted(2, "tablet")),
        (counted(30, "tablet", "{count}"), counted(30, "box", "{count}")),
        (counted(30, "tablet"), {"value": 30, "code": "1"} | UCUM),
        ({"value": 5, "code": "mg"} | UCUM, {"value": 5}),
    ],
)
def test_a_box_is_no_tablet_though_ucum_counts_both_as_one(prescribed, given):
    with pytest.raises(Conflict, match="prescription's unit"):
        check(prescription(quantity=prescribed), dispensation(quantity=given))


@pytest.mark.parametrize(
    ("prescribed", "given"),
    [
        (counted(30, "tablet"), counted(30, "Tablets")),
        (counted(30, "tablet", "{tbl}"), {"value": 30, "code": "{tbl}"} | UCUM),
        ({"value": 30, "unit": "tablet"}, {"value": 30, "unit": "tablet(s)"}),
        ({"value": 3, "code": "1"} | UCUM, {"value": 3, "code": "1"} | UCUM),
    ],
)
def test_one_noun_is_one_unit_however_it_is_written(prescribed, given):
    check(prescription(quantity=prescribed), dispensation(quantity=given))


def test_a_recorded_box_counts_as_much_as_one_hand_over_may_give():
    request = prescription(quantity=counted(30, "tablet"), numberOfRepeatsAllowed=0)
    assert left(request, dispensation(quantity=counted(1, "box"))) == "0 tablet"


def test_what_is_given_at_once_bounds_also_where_the_overall_amount_has_another_unit():
    whole = {"url": PRESCRIBED_QUANTITY, "valueQuantity": counted(60, "tablet", "{tbl}")}
    request = prescription(quantity=counted(1, "box", "{box}"), numberOfRepeatsAllowed=1, extension=[whole])
    assert left(request) == "2 box"
    assert left(request, dispensation(quantity=counted(60, "tablet", "{tbl}"))) == "1 box"
    with pytest.raises(Conflict, match="prescription's unit"):
        check(request, dispensation(quantity=counted(60, "tablet", "{tbl}")))
    check(request, dispensation(quantity=counted(1, "box", "{box}")))


def test_the_most_that_may_be_given_now_is_in_the_unit_of_what_is_left():
    whole = {"url": PRESCRIBED_QUANTITY, "valueQuantity": {"value": 10_000, "code": "mg"} | UCUM}
    request = prescription(quantity={"value": 0.5, "code": "g"} | UCUM, extension=[whole])
    assert str(most_now(read_prescription(request), [])) == "500 mg"


def marked(**members):
    return {"modifierExtension": [{"url": "urn:x:only-if-fever", "valueBoolean": True}]} | members


@pytest.mark.parametrize(
    "members",
    [
        marked(),
        {"dispenseRequest": marked()},
        {"dosageInstruction": [marked(text="1")]},
        {"substitution": marked(allowedBoolean=True)},
        {
            "contained": [{"resourceType": "Medication", "id": "m"} | marked()],
            "medicationReference": {"reference": "#m"},
        },
    ],
)
def test_what_its_source_changes_in_an_unknown_way_is_not_dispensed(members):
    with pytest.raises(Conflict, match="modifierExtension"):
        check(prescription() | members, dispensation())


def test_a_product_or_a_dispensation_that_is_changed_so_is_not_dispensed_either():
    referred = prescription() | {"medicationReference": {"reference": "Medication/m"}}
    held = {"Medication/m": {"resourceType": "Medication", "id": "m"} | marked()}
    assert str(why_not(read_prescription(referred, held), NOW, "PT")).endswith("ask there")
    with pytest.raises(Conflict, match="modifierExtension"):
        check(prescription(), dispensation(**marked()))


DAYS_28 = {"value": 28, "code": "d"} | UCUM
EARLY = [{"text": "travels", "extension": [{"url": TOO_EARLY, "valueBoolean": True}]}]


def given_at(moment, name="d1", **members):
    return dispensation(10, name, whenHandedOver=moment, **members)


@pytest.mark.parametrize(
    ("last", "refused"),
    [
        ("2026-11-24T11:59:00Z", "2026-12-22"),
        ("2026-10-28T00:00:00Z", "2026-11-25"),
        ("2026-10-27T23:59:59Z", None),
        ("2026-10-27", None),
        ("2026-10", "2026-11-28"),
        ("2026-09", None),
    ],
)
def test_no_hand_over_before_the_interval_after_the_last_one(last, refused):
    request = prescription(dispenseInterval=DAYS_28)
    known, offered = [given_at(last)], given_at("2026-11-24T12:00:00Z", "d2")
    if refused is None:
        check(request, offered, known)
    else:
        with pytest.raises(Conflict, match=f"too early: .* from {refused}"):
            check(request, offered, known)
        check(request, offered | {"note": EARLY}, known)


@pytest.mark.parametrize("day", [{"value": 24, "code": "h"} | UCUM, {"value": 1440, "code": "min"} | UCUM])
def test_a_day_written_in_hours_or_minutes_is_counted_from_the_moment(day):
    request = prescription(dispenseInterval=day)
    offered = given_at("2026-11-24T00:10:00Z", "d2")
    with pytest.raises(Conflict, match=r"too early: .* from 2026-11-24T23:50Z on"):
        check(request, offered, [given_at("2026-11-23T23:50:00Z")])
    check(request, offered, [given_at("2026-11-23T00:10:00Z")])


def test_only_a_note_that_is_marked_as_the_reason_is_one():
    request = prescription(dispenseInterval=DAYS_28)
    offered = given_at("2026-11-24T12:00:00Z", "d2")
    for note in ([{"text": "with food"}], [{"extension": EARLY[0]["extension"], "text": " "}]):
        with pytest.raises(Conflict, match="too early"):
            check(request, offered | {"note": note}, [given_at("2026-11-23")])


def test_an_earlier_date_is_no_way_round_the_interval():
    request = prescription(dispenseInterval=DAYS_28)
    with pytest.raises(Conflict, match="too early"):
        check(request, given_at("2026-11-22", "d2"), [given_at("2026-11-24")])
    with pytest.raises(Conflict, match="give whenHandedOver"):
        check(request, dispensation(10, "d2"), [given_at("2026-10-01")])


@pytest.mark.parametrize(
    ("interval", "last"),
    [(DAYS_28, ""), (DAYS_28, "soon"), ({"value": 4, "unit": "weeks"}, "2026-01-01")],
)
def test_where_the_interval_cannot_be_told_the_pharmacist_says_why(interval, last):
    request = prescription(dispenseInterval=interval)
    offered = given_at("2026-11-24T12:00:00Z", "d2")
    with pytest.raises(Conflict, match="cannot be told"):
        check(request, offered, [given_at(last)])
    check(request, offered | {"note": EARLY}, [given_at(last)])


def test_when_it_was_recorded_is_when_it_was_handed_over_where_that_is_not_said():
    recorded = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationDispense.recorded"
    told = dispensation(extension=[{"url": recorded, "valueDateTime": "2026-11-20T10:00:00Z"}])
    request = read_prescription(prescription(dispenseInterval=DAYS_28))
    assert str(too_early(request, [read_dispensation(told)], NOW)).startswith(
        "the next hand-over may be from 20"
    )
    assert too_early(request, [read_dispensation(told | {"status": "entered-in-error"})], NOW) is None


def test_the_first_hand_over_has_its_own_limit_and_what_follows_the_usual_one():
    patches = {"unit": "patch"}
    request = prescription(
        quantity={"value": 10, **patches},
        initialFill={"quantity": {"value": 5, **patches}},
        numberOfRepeatsAllowed=3,
    )
    assert left(request) == "35 patch"
    item = read_prescription(request)
    assert str(most_now(item, [])) == "5 patch"
    with pytest.raises(Conflict, match="at most 5 patch"):
        check(request, dispensation(quantity={"value": 6, **patches}))
    first = dispensation(quantity={"value": 5, **patches})
    check(request, first)
    assert str(most_now(item, [read_dispensation(first)])) == "10 patch"
    check(request, dispensation(name="d2", quantity={"value": 10, **patches}), [first])
    with pytest.raises(Conflict, match="at most 10 patch"):
        check(request, dispensation(name="d2", quantity={"value": 11, **patches}), [first])


def test_a_first_limit_in_another_unit_is_asked_about_and_one_alone_is_kept():
    other = prescription(initialFill={"quantity": {"value": 1, "unit": "box"}})
    with pytest.raises(Conflict, match="at most 1 box may be handed over now"):
        check(other, dispensation())
    alone = prescription(quantity=None, initialFill={"quantity": {"value": 5, "unit": "patch"}})
    with pytest.raises(Conflict, match="at most 5 patch"):
        check(alone, dispensation(quantity={"value": 6, "unit": "patch"}))


@pytest.mark.parametrize(
    "moment", ["2020-01-01", "2026-10-30T10:00:00Z", "2026-11-24T12:06:00Z", "2099-01-01"]
)
def test_a_hand_over_is_neither_before_its_prescription_nor_still_to_come(moment):
    with pytest.raises(Conflict, match="whenHandedOver"):
        check(prescription(), given_at(moment))


@pytest.mark.parametrize("moment", ["2026-11-01", "2026-11-24", "2026-11", "2026-11-24T12:04:00Z"])
def test_a_hand_over_up_to_now_is_one(moment):
    check(prescription(), given_at(moment))


@pytest.mark.parametrize("authored", ["2027-01-01", "2026-11-24T12:06:00Z", "2026-12"])
def test_a_prescription_dated_in_the_time_to_come_is_not_dispensed_yet(authored):
    with pytest.raises(Conflict, match=f"it is dated {authored}, which is still to come"):
        check(prescription() | {"authoredOn": authored}, dispensation())


def test_a_prescription_written_today_east_of_here_is_dispensed_today():
    check(prescription() | {"authoredOn": "2026-11-25"}, dispensation())


V3 = "http://terminology.hl7.org/CodeSystem/v3-substanceAdminSubstitution"


@pytest.mark.parametrize(
    "allowed",
    [
        {"text": "Do not substitute (allergy to excipient)"},
        {"coding": [{"system": "urn:x:national", "code": "NOSUB"}]},
        {"coding": [{"system": V3, "code": "G"}]},
        {"coding": [{"system": V3, "code": "N"}]},
    ],
)
def test_what_the_prescriber_wrote_of_substitution_is_no_leave_for_any_product(allowed):
    request = prescription() | {"medicationCodeableConcept": {"text": "Paracetamol 500 mg"}}
    request |= {"substitution": {"allowedCodeableConcept": allowed}}
    check(request, dispensation(medicationCodeableConcept={"text": "Paracetamol 500 mg"}))
    with pytest.raises(Conflict, match="prescriber"):
        check(request, dispensation(medicationCodeableConcept={"text": "Ibuprofen"}))
