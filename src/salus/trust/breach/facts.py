"""What is known besides the leaves. Every fact is optional: without it the leaves alone are judged."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Contact(msgspec.Struct, frozen=True):
    """A patient's encounter: from, until (None while it lasts), with which unit or subject ("" unknown)."""

    begins: datetime
    ends: datetime | None = None
    unit: str = ""


class Facts(msgspec.Struct, frozen=True):
    """Patients (logical ids) and staff (subjects of leaves) as the auditor and the record know them.

    Args:
        units: the ward or team of a subject; a subject without one is judged with its organisation.
        contacts: encounters and appointments by patient.
        honey: records of nobody, which no one has a reason to open.
        protected: persons in the public eye, and others marked for protection.
        staff: patients who work here, with their subject.
        kin: patients of a subject's family and household, the subject's own record included.
        justified: emergency accesses that a second person looked at and found justified: their periods, by
            subject and patient.
    """

    units: dict[str, str] = {}
    contacts: dict[str, list[Contact]] = {}
    honey: frozenset[str] = frozenset()
    protected: frozenset[str] = frozenset()
    staff: dict[str, str] = {}
    kin: dict[str, frozenset[str]] = {}
    justified: dict[tuple[str, str], list[Contact]] = {}
