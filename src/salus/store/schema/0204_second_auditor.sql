-- What people are told of an incident is proposed by one auditor, and told when another agreed (GDPR, Art. 34).
ALTER TABLE incident_text ADD COLUMN proposed_by text NOT NULL DEFAULT '';
ALTER TABLE incident_text ADD COLUMN agreed_at timestamptz;
ALTER TABLE incident_text ADD COLUMN agreed_by text NOT NULL DEFAULT '';
UPDATE incident_text SET agreed_at = now();          -- released before there were two
