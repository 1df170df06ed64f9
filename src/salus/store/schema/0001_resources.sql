-- Resources and their search values.
-- Every table that grows starts its primary key with `compartment`, the distribution column on Citus:
-- the logical id of the patient the resource is about (CompartmentDefinition/patient), or
-- 'Type/id' for a resource about no patient. Uniqueness of (type, id) across compartments is kept
-- by an advisory lock on hashtextextended(type || '/' || id) in every writing transaction.

-- Two roles without login; a connection takes one when it opens (role = ... in its start parameters).
-- salus_wide: grants over the whole node. salus_bound: grants bound to named patients, see the policies below.
-- Neither owns a table, may bypass row-level security or may change the ledger.
DO $$
BEGIN
    BEGIN
        CREATE ROLE salus_wide NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    BEGIN
        CREATE ROLE salus_bound NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    EXECUTE format('GRANT salus_wide, salus_bound TO %I', current_user);
END
$$;
GRANT USAGE ON SCHEMA public TO salus_wide, salus_bound;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO salus_wide;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO salus_wide;

CREATE TABLE resource (
    compartment text        NOT NULL,
    type        text        NOT NULL,
    id          text        NOT NULL,
    version     integer     NOT NULL,
    updated     timestamptz NOT NULL,
    deleted     boolean     NOT NULL DEFAULT false,
    hidden      boolean     NOT NULL DEFAULT false, -- the citizen restricts it (EHDS 8): no professional sees it
    others      text[]      NOT NULL DEFAULT '{}',  -- further patients it is about; they get a leaf, not the row
    source      text        NOT NULL DEFAULT '',    -- meta.source: the system the resource came from
    source_id   text        NOT NULL DEFAULT '',    -- its id or fullUrl there
    digest      bytea       NOT NULL,               -- SHA-256 of the bytes as received, to see an unchanged repeat
    date        timestamptz,                        -- the clinical date: start of the type's `date` search value
    tokens      bigint[]    NOT NULL,               -- keyed hashes of token, reference and uri search values
    content     bytea       NOT NULL,               -- the bytes as received; id and meta are spliced in on read
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
    hidden      boolean     NOT NULL DEFAULT false,
    others      text[]      NOT NULL DEFAULT '{}',
    source      text        NOT NULL,
    source_id   text        NOT NULL,
    content     bytea       NOT NULL,
    PRIMARY KEY (compartment, type, id, version)
);
CREATE INDEX resource_version_id ON resource_version (type, id, version);
CREATE INDEX resource_version_updated ON resource_version (type, updated DESC, id);

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

-- What a citizen restricts (EHDS 8). `hidden` above repeats it where queries need it.
CREATE TABLE restriction (
    patient     text        NOT NULL,
    type        text        NOT NULL,
    id          text        NOT NULL,
    since       timestamptz NOT NULL,
    PRIMARY KEY (patient, type, id)
);

-- The second wall. A policy other than `true` keeps non-leakproof operators (array containment) off their
-- index, so node-wide grants have a role with the policy `true`; patient-bound ones have a btree-able policy,
-- and array conditions filter within one compartment. The settings are read once per query (InitPlan).
-- Resources about no patient that help to read a record are open to bound grants too.
ALTER TABLE resource ENABLE ROW LEVEL SECURITY;
ALTER TABLE resource_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE resource_range ENABLE ROW LEVEL SECURITY;
ALTER TABLE resource_string ENABLE ROW LEVEL SECURITY;
ALTER TABLE restriction ENABLE ROW LEVEL SECURITY;

CREATE POLICY wide ON resource TO salus_wide USING (true);
CREATE POLICY wide ON resource_version TO salus_wide USING (true);
CREATE POLICY wide ON resource_range TO salus_wide USING (true);
CREATE POLICY wide ON resource_string TO salus_wide USING (true);
CREATE POLICY wide ON restriction TO salus_wide USING (true);

GRANT SELECT, INSERT, UPDATE, DELETE
    ON resource, resource_version, resource_range, resource_string, restriction TO salus_bound;

CREATE FUNCTION salus_patients() RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT string_to_array(current_setting('salus.patients', true), ',') $$;
CREATE FUNCTION salus_sees_hidden() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT coalesce(current_setting('salus.sees_hidden', true), '') = 'yes' $$;
CREATE FUNCTION salus_is_shared(compartment text, type text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT compartment = type || '/' || split_part(compartment, '/', 2) AND type = ANY (ARRAY[
        'Practitioner', 'PractitionerRole', 'Organization', 'Location', 'HealthcareService', 'Endpoint',
        'Medication', 'MedicationKnowledge', 'Substance', 'Questionnaire', 'CodeSystem', 'ValueSet',
        'ConceptMap', 'StructureDefinition', 'SearchParameter', 'ActivityDefinition', 'PlanDefinition']) $$;

CREATE POLICY bound ON resource TO salus_bound
    USING (
        (compartment = ANY ((SELECT salus_patients())::text[]) AND (NOT hidden OR (SELECT salus_sees_hidden())))
        OR salus_is_shared(compartment, type)
    )
    WITH CHECK (compartment = ANY ((SELECT salus_patients())::text[]));
CREATE POLICY bound ON resource_version TO salus_bound
    USING (
        (compartment = ANY ((SELECT salus_patients())::text[]) AND (NOT hidden OR (SELECT salus_sees_hidden())))
        OR salus_is_shared(compartment, type)
    )
    WITH CHECK (compartment = ANY ((SELECT salus_patients())::text[]));
CREATE POLICY bound ON resource_range TO salus_bound
    USING (compartment = ANY ((SELECT salus_patients())::text[]) OR salus_is_shared(compartment, type))
    WITH CHECK (compartment = ANY ((SELECT salus_patients())::text[]));
CREATE POLICY bound ON resource_string TO salus_bound
    USING (compartment = ANY ((SELECT salus_patients())::text[]) OR salus_is_shared(compartment, type))
    WITH CHECK (compartment = ANY ((SELECT salus_patients())::text[]));
CREATE POLICY bound ON restriction TO salus_bound
    USING (patient = ANY ((SELECT salus_patients())::text[]));

-- A read by id in one round trip: the grant's patients are set for this statement's transaction only.
CREATE FUNCTION read_resource(patients text, sees_hidden text, wanted_type text, wanted_id text)
    RETURNS TABLE (
        compartment text, version integer, updated timestamptz, deleted boolean, others text[],
        source text, source_id text, content bytea
    )
    LANGUAGE plpgsql STABLE ROWS 1
AS $$
BEGIN
    PERFORM set_config('salus.patients', patients, true), set_config('salus.sees_hidden', sees_hidden, true);
    RETURN QUERY
        SELECT r.compartment, r.version, r.updated, r.deleted, r.others, r.source, r.source_id, r.content
        FROM resource r
        WHERE r.type = wanted_type AND r.id = wanted_id AND (NOT r.hidden OR sees_hidden = 'yes');
END
$$;
