"""Validation of resources against FHIR R4 itself; profiles come on top elsewhere.

from salus.standards.fhir.validation.validator import validate
"""
