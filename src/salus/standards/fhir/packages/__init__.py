"""FHIR packages (NPM archives of conformance resources), pure: bytes in, values out."""
