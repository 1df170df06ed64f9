-- How a person, or who acts for them, wishes to hear that there is a notice: by mail, webhook or letter. One way for
-- each of them. What is sent holds nothing of the notice, so one message is for all that wait.
CREATE TABLE notice_way (
    patient     text        NOT NULL,
    holder      text        NOT NULL DEFAULT '',      -- '' the person; else the record of who acts for them
    channel     text        NOT NULL,                 -- a file of web/channels
    address     bytea       NOT NULL,                 -- sealed (docs/decisions/0028); '' where the channel needs none
    language    text        NOT NULL,
    quiet       boolean     NOT NULL,                 -- says not even where
    chosen_at   timestamptz NOT NULL,
    waits       boolean     NOT NULL DEFAULT false,   -- there is a notice since the last message
    attempt_at  timestamptz,                          -- when to send next, null while there is nothing to send
    failures    integer     NOT NULL DEFAULT 0,       -- since the last message that went
    failure     text        NOT NULL DEFAULT '',      -- the last one, without the address
    sent_at     timestamptz,
    PRIMARY KEY (patient, holder)
);
CREATE INDEX notice_way_due ON notice_way (attempt_at) WHERE attempt_at IS NOT NULL;
CREATE INDEX notice_way_holder ON notice_way (holder) WHERE holder <> '';
ALTER TABLE notice_way ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON notice_way TO salus_bound;
CREATE POLICY wide ON notice_way TO salus_wide USING (true);
CREATE POLICY bound ON notice_way TO salus_bound
    USING (patient = ANY ((SELECT salus_patients())::text[]))
    WITH CHECK (patient = ANY ((SELECT salus_patients())::text[]));

-- Whoever tells (0064) sets the message going, in the same transaction. A way at which something waits is left alone, so
-- that a read that tells somebody of itself writes no row that another one holds.
CREATE FUNCTION notice_waits() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    UPDATE notice_way way SET waits = true, attempt_at = coalesce(way.attempt_at, told.at)
    FROM (SELECT patient, min(at) AS at FROM added GROUP BY patient) AS told
    WHERE way.patient = told.patient AND NOT way.waits;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION notice_waits FROM PUBLIC;
CREATE TRIGGER waits AFTER INSERT ON notice REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION notice_waits();

-- Beside `erase_person`, in the same transaction (store/erasing.py); replaces that of 0179.
CREATE OR REPLACE FUNCTION erase_told(whose text[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    DELETE FROM incident_person WHERE patient = ANY (whose);
    DELETE FROM notice_way WHERE patient = ANY (whose) OR holder = ANY (whose)
$$;

-- When a letter about the incident was printed for somebody whom no other message reached.
ALTER TABLE incident_person ADD COLUMN letter_at timestamptz;
