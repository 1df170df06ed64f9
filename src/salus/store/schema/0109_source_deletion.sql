-- What a source says it deleted, as a history of it tells: an older export must not bring it back to life.
-- Ids and times only; whose record it was in is not told, so that only grants over the whole node reach it.
CREATE TABLE source_deletion (
    type        text        NOT NULL,
    id          text        NOT NULL,                -- as the node would derive it (core.identifiers)
    deleted_at  timestamptz NOT NULL,                -- by the source's clock; when it was loaded if it does not say
    PRIMARY KEY (type, id)
);
ALTER TABLE source_deletion ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON source_deletion TO salus_wide USING (true);
REVOKE DELETE, TRUNCATE ON source_deletion FROM salus_wide;
