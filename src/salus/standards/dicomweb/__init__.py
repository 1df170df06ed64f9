"""DICOMweb (DICOM PS3.18, QIDO-RS and WADO-RS) and the DICOM JSON model (PS3.18 annex F). Pure."""
