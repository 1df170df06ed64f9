"""FHIR R4 on the wire: JSON and XML to plain dictionaries and back."""
