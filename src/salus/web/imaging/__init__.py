"""Pictures of a record: found, compared with their patient and handed through under the gate."""
