-- Search parameters added to the node, and how far the stored resources have been indexed anew for them.
-- No personal data; only salus_wide reaches it (default privileges of 0001).

CREATE TABLE search_parameter (
    url         text        PRIMARY KEY,              -- canonical of the SearchParameter
    definition  bytea       NOT NULL,                 -- what the indexer needs of it, as JSON
    state       text        NOT NULL CHECK (state IN ('indexing', 'ready')),
    done        text[]      NOT NULL DEFAULT '{}',    -- resource types that are indexed anew
    type        text        NOT NULL DEFAULT '',      -- the type under way ...
    after_id    text        NOT NULL DEFAULT '',      -- ... and the last id indexed of it
    added_at    timestamptz NOT NULL
);

-- The id that a loaded resource had at its source is searchable (_tag=urn:salus:original-id|...).
CREATE INDEX resource_original_id ON resource ((substring(source_id FROM '[^/]*$')), type) WHERE source_id <> '';

-- Range and string conditions are looked up per key; the planner must know how common each key is.
ALTER TABLE resource_range ALTER COLUMN key SET STATISTICS 1000;
ALTER TABLE resource_string ALTER COLUMN key SET STATISTICS 1000;
