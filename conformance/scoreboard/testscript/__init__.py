"""A small TestScript engine (http://hl7.org/fhir/R4/testscript.html): fixtures, operations and assertions."""
