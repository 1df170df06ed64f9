"""HL7 CDA Release 2 to FHIR R4 and back: MyHealth@EU (eHDSI), C-CDA 2.1 and national documents."""
