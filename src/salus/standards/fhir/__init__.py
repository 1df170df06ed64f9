"""HL7 FHIR R4 (4.0.1): model, codec, FHIRPath, search, patch and validation."""
