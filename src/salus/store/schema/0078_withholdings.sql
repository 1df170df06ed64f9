-- Decisions to withhold from a citizen who made certain accesses (EHDS article 9(3)): asked for by one auditor, in force
-- only once another has agreed, and for a time. What is withheld stays in the log, counted and named as withheld.

CREATE TABLE withholding (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    patient     text        NOT NULL,
    subject     text        NOT NULL,                   -- whose accesses
    reason      text        NOT NULL,
    until       timestamptz NOT NULL,
    asked_by    text        NOT NULL,
    asked_at    timestamptz NOT NULL,
    agreed_by   text        CHECK (agreed_by <> asked_by),
    agreed_at   timestamptz,
    lifted_by   text,
    lifted_at   timestamptz
);
CREATE INDEX withholding_patient ON withholding (patient);

ALTER TABLE withholding ENABLE ROW LEVEL SECURITY;
GRANT SELECT (patient, subject, until, agreed_at, lifted_at) ON withholding TO salus_bound;
CREATE POLICY wide ON withholding TO salus_wide USING (true);
CREATE POLICY bound ON withholding FOR SELECT TO salus_bound
    USING (patient = ANY ((SELECT salus_patients())::text[]));
