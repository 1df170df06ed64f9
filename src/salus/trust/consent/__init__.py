"""The citizen's voice: FHIR R4 Consents compiled to provisions, and what they say of a request. Pure."""
