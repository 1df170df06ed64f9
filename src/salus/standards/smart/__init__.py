"""SMART on FHIR Backend Services: what is said to a token endpoint, and how it is checked."""
