"""The operations: one file each (http://hl7.org/fhir/R4/operationslist.html)."""
