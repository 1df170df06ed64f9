"""The face of HL7 v2: messages by MLLP."""
