-- Resources and their search values.
-- Every table that grows starts its primary key with `compartment`, the distribution column on Citus:
-- the logical id of the patient the resource is about (CompartmentDefinition/patient), or
-- 'Type/id' for a resource about no patient. Uniqueness of (type, id) across compartments is kept
-- by an advisory lock on hashtextextended(type || '/' || id) in every writing transaction.

CREATE TABLE resource (
    compartment text        NOT NULL,
    type        text        NOT NULL,
    id          text        NOT NULL,
    version     integer     NOT NULL,
    updated     timestamptz NOT NULL,
    deleted     boolean     NOT NULL DEFAULT false,
    source      text        NOT NULL DEFAULT '',   -- meta.source: the system the resource came from
    source_id   text        NOT NULL DEFAULT '',   -- its id or fullUrl there
    digest      bytea       NOT NULL,              -- SHA-256 of the bytes as received, to see an unchanged repeat
    date        timestamptz,                       -- the clinical date: start of the type's `date` search value
    tokens      bigint[]    NOT NULL,              -- keyed hashes of token, reference and uri search values
    content     bytea       NOT NULL,              -- the bytes as received; id and meta are spliced in on read
    PRIMARY KEY (compartment, type, id)
);
CREATE INDEX resource_id ON resource (type, id);
CREATE INDEX resource_compartment_date ON resource (compartment, type, date DESC, id);
CREATE INDEX resource_date ON resource (type, date DESC, id);
CREATE INDEX resource_updated ON resource (type, updated DESC, id);
CREATE INDEX resource_tokens ON resource USING gin (tokens);
ALTER TABLE resource ALTER COLUMN tokens SET STATISTICS 1000;

-- Superseded versions; the current one is in `resource`. History is the union of both.
CREATE TABLE resource_version (
    compartment text        NOT NULL,
    type        text        NOT NULL,
    id          text        NOT NULL,
    version     integer     NOT NULL,
    updated     timestamptz NOT NULL,
    deleted     boolean     NOT NULL,
    source      text        NOT NULL,
    source_id   text        NOT NULL,
    content     bytea       NOT NULL,
    PRIMARY KEY (compartment, type, id, version)
);
CREATE INDEX resource_version_id ON resource_version (type, id, version);

-- Dates (seconds since 1970 UTC), numbers and quantities as closed-open ranges [low, high); `key` is the
-- keyed hash of type and parameter, for a quantity also of its unit, for a composite also of its token part.
CREATE TABLE resource_range (
    compartment text             NOT NULL,
    type        text             NOT NULL,
    id          text             NOT NULL,
    key         bigint           NOT NULL,
    low         double precision NOT NULL,
    high        double precision NOT NULL
);
CREATE INDEX resource_range_of ON resource_range (compartment, type, id);
CREATE INDEX resource_range_low ON resource_range (key, low);
CREATE INDEX resource_range_high ON resource_range (key, high);

-- Strings, case- and accent-folded, with hashes of their trigrams for :contains.
CREATE TABLE resource_string (
    compartment text      NOT NULL,
    type        text      NOT NULL,
    id          text      NOT NULL,
    key         bigint    NOT NULL,
    value       text      NOT NULL COLLATE "C",
    trigrams    integer[] NOT NULL
);
CREATE INDEX resource_string_of ON resource_string (compartment, type, id);
CREATE INDEX resource_string_value ON resource_string (key, value);
CREATE INDEX resource_string_trigrams ON resource_string USING gin (trigrams);
