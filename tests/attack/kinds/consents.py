"""Consents in the name of another, and of wrong shape."""

from tests.attack.forms import posted


def cases():
    def consent(**more):
        scope = {"coding": [{"code": "patient-privacy"}]}
        base = {"resourceType": "Consent", "status": "active", "scope": scope, "category": [{"text": "x"}]}
        return base | {"patient": {"reference": "Patient/{OWN}"}} | more

    other = {"reference": "Patient/{OTHER}"}
    wrong = [
        {"patient": other},
        {"patient": {"reference": "{BASE}/Patient/{OTHER}"}},
        {"provision": {"type": "PERMIT"}},
        {"provision": {"type": ["permit"]}},
        {"status": "anything"},
        {"status": None},
        {"scope": {}},
        {"category": []},
        {"provision": {"period": {"start": "2030-01-01", "end": "2020-01-01"}}},
        {"provision": {"provision": "x"}},
    ]
    yield from (posted("Consent", consent(**each)) for each in wrong)
