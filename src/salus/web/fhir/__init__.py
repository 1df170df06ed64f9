"""The FHIR R4 REST interface (http://hl7.org/fhir/R4/http.html): one module per interaction."""
