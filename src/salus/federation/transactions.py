"""The transactions of the EU Health Data API guide (1.0.0-ballot) that the doors of the node do.

Keyed by resource type and R4 interaction code; the node's CapabilityStatement says them.
"""

from __future__ import annotations

from types import MappingProxyType

TRANSACTIONS = MappingProxyType(
    {
        ("Patient", "search-type"): (
            "PDQm ITI-78 by POST. A node without a patient in its token asks by what the law of this country "
            "says finds a person; the one who matches is answered, or nobody."
        ),
        ("DocumentReference", "search-type"): "MHD ITI-67, between nodes by POST.",
        ("DocumentReference", "create"): (
            "MHD ITI-105 Simplified Publish: one attachment with data; the document is kept byte for byte, "
            "its hash and size are checked, and the answer's attachment.url leads to it."
        ),
        ("Binary", "read"): "MHD ITI-68: the document byte for byte, whatever its media type.",
        ("MedicationDispense", "create"): (
            "A dispensation made abroad: a conditional create (ifNoneExist on its identifier, the dispense "
            "id) in a transaction; it changes the state of its prescription exactly once."
        ),
        ("MedicationDispense", "update"): (
            "Discard of a dispensation: a conditional update by its identifier to status entered-in-error."
        ),
    }
)
