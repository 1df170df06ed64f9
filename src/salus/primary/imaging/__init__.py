"""Pictures of medical imaging (EHDS, article 14(1)(e)): they stay in archives and are reached by DICOMweb."""
