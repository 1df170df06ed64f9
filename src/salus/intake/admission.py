"""What a document's sender may have taken out of it into the record; the document itself is kept whole.

A document says what was found and done. Who may look, what is notified, what a code or a search means and who
vouches are decided here, by who may decide them (GDPR article 7, EHDS 8): a document that brings such a
resource brings no decision. Everything else is taken as far as its sender may write it by itself.
`salus load`, the operator's own act, is not asked.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

NOT_TAKEN = {
    "Consent": "whom a person lets look, and what they want in care, is recorded here with them",
    "Provenance": "who vouches for an entry is not said by who sends it; the node says where it came from",
    "AuditEvent": "the node writes its audit itself",
    "Subscription": "what is notified to whom is set up here",
    "Person": "who is one person is confirmed here",
    "Linkage": "which entries are one is confirmed here",
} | dict.fromkeys(
    (
        "SearchParameter", "StructureDefinition", "StructureMap", "OperationDefinition",
        "CompartmentDefinition", "CapabilityStatement", "TerminologyCapabilities", "ImplementationGuide",
        "MessageDefinition", "GraphDefinition", "ExampleScenario", "NamingSystem", "CodeSystem", "ValueSet",
        "ConceptMap", "TestScript", "TestReport",
    ),
    "what words and searches mean at this node is set up here",
)  # fmt: skip
"""Types that a document from outside brings nothing of, with the reason."""
NOT_THEIRS = "who sent the document may not record this by itself"


class Admission(msgspec.Struct, frozen=True):
    """What may be taken out of the documents of one sender.

    Args:
        creates: resource types that the sender may create.
        updates: resource types that the sender may change.
        confirms: whether the sender's word settles who a Patient is; else one that is new here is found by no
            look-up until staff confirm it (`salus persons`), as one that a citizen registers.
    """

    creates: frozenset[str]
    updates: frozenset[str]
    confirms: bool = False

    def why_not(self, type_name: str) -> str:
        """Return why nothing of this type is taken, "" where it is."""
        return NOT_TAKEN.get(type_name) or ("" if type_name in self.creates else NOT_THEIRS)


def told(left_out: Iterable[str], admission: Admission) -> str:
    """Return in words what stays in the document only, "" where nothing does."""
    kinds = sorted(set(left_out))
    return " ".join(f"{kind} was not taken out of it: {admission.why_not(kind)}." for kind in kinds)
