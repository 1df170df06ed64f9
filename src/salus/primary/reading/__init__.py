"""Documents as people read them: from a FHIR document to a `Reading`, and from that to HTML, PDF and text."""
