"""Terminology service of HL7 FHIR R4, with the rules of the HL7 terminology ecosystem.

Pure: definitions in, answers out. A module an operation; `codesystem.py` says what a code system must be
able to tell, so that a definition, a loaded release and a grammar are asked alike.
"""
