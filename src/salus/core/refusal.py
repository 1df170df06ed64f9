"""How a refusal says who, what and for which purpose. It never tells what is stored."""

from __future__ import annotations

from salus.core.access import Action, Caller

_DOING = {
    Action.READ: "read",
    Action.SEARCH: "search",
    Action.HISTORY: "read the history of",
    Action.CHANGES: "follow the changes of",
    Action.EXPORT: "export",
    Action.OPEN_QUARANTINE: "open the quarantine of",
    Action.AUDIT: "read the audit of",
}
_WORDS = {
    "": "this",
    "summary": "the patient summary",
    "restriction": "restrictions",
    "incident": "incidents",
    "incident-settlement": "dismissed findings and closed incidents",
}


def may_not(caller: Caller, action: Action, type_name: str) -> str:
    """Return ``A pharmacist may not read Observation for TREAT``; type "" stands for no single one."""
    article = "An" if caller.role[0] in "aeiou" else "A"
    doing = _DOING.get(action, action.value)
    where = " from abroad" if caller.node else ""
    named = _WORDS.get(type_name, type_name)
    return f"{article} {caller.role}{where} may not {doing} {named} for {caller.purpose}"
