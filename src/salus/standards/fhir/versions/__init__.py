"""Resources of other versions of FHIR in R4, where the difference is mechanical."""
