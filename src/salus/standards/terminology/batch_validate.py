"""$batch-validate-code of the HL7 terminology ecosystem: many questions, one request."""

from __future__ import annotations

from collections.abc import Callable

from salus.core.errors import SalusError, TooLarge
from salus.standards.terminology.asked import Asked
from salus.standards.terminology.concepts import Json
from salus.standards.terminology.issues import Issue, TerminologyRefused, outcome

VALIDATIONS_MAX = 1_000

Answer = Callable[[Asked], Json]


def batch_validate(parameters: Json, answer: Answer, accepted: str = "") -> Json:
    """Answer each `validation` of a request; what stands beside them holds for all that do not say otherwise.

    Raises:
        TooLarge: there are more than one request may hold.
    """
    rows = parameters.get("parameter", ())
    shared = [one for one in rows if one.get("name") != "validation"]
    asked = [one.get("resource") or {} for one in rows if one.get("name") == "validation"]
    if len(asked) > VALIDATIONS_MAX:
        raise TooLarge(f"The request holds {len(asked)} validations; send at most {VALIDATIONS_MAX} at once.")
    answers = []
    for one in asked:
        own = list(one.get("parameter", ()))
        names = {row.get("name") for row in own} - {"tx-resource"}
        whole = {
            "resourceType": "Parameters",
            "parameter": own + [row for row in shared if row.get("name") not in names],
        }
        answers.append({"name": "validation", "resource": _answered(Asked(whole, accepted), answer)})
    return {"resourceType": "Parameters", "parameter": answers}


def _answered(asked: Asked, answer: Answer) -> Json:
    try:
        return answer(asked)
    except TerminologyRefused as error:
        return outcome([error.finding, *error.more])
    except SalusError as error:
        return outcome([Issue("error", error.issue, "", "", "", error.message)])
