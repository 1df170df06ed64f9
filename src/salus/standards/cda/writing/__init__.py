"""FHIR patient summaries written as CDA of MyHealth@EU."""
