"""How a test begins a session at a desk: with a passport that the record knows no number of."""

from salus.core.access import Role

PASSPORT = {"document": "passport", "number": "AB 12345"}


async def assist(ask, *patients, **fields):
    """Let the desk help each of them for half an hour."""
    for patient in patients:
        shown = {"patient": patient} | PASSPORT
        answer = await ask("POST", "/rights/assisted", Role.DESK, shown, **fields)
        assert answer.status_code == 201, answer.text


async def empower(ask, asked):
    """Enter a power at the desk and confirm it as a second member of staff; return what was made."""
    await assist(ask, asked["patient"])
    made = await ask("POST", "/proxies", Role.DESK, asked)
    assert made.status_code == 201, made.text
    confirmed = await ask("POST", f"/proxies/{made.json()['id']}/confirm", Role.DESK, subject="desk-2")
    assert confirmed.status_code == 200, confirmed.text
    return made.json()
