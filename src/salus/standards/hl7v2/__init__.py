"""HL7 version 2 messages (2.3 to 2.8.2, vertical bar encoding), and what they say in FHIR R4."""
