"""FHIR R4 search: parameter definitions, grammar, extraction and in-memory matching."""
