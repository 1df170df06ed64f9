-- Contents are sealed at rest with keys that are outside the database (docs/decisions/0028, store/record_seal.py).

-- Words of people, which are sealed from now on.
ALTER TABLE rectification ALTER COLUMN said TYPE bytea USING convert_to(said, 'UTF8');
ALTER TABLE rectification_step ALTER COLUMN said TYPE bytea USING convert_to(said, 'UTF8');
ALTER TABLE erasure ALTER COLUMN said TYPE bytea USING convert_to(said, 'UTF8');
ALTER TABLE erasure_step ALTER COLUMN said TYPE bytea USING convert_to(said, 'UTF8');

-- What is sealed is random bytes: PostgreSQL would look in vain for what to compress.
ALTER TABLE resource ALTER COLUMN content SET STORAGE EXTERNAL;
ALTER TABLE resource_version ALTER COLUMN content SET STORAGE EXTERNAL;
ALTER TABLE quarantine ALTER COLUMN content SET STORAGE EXTERNAL;
ALTER TABLE export_file ALTER COLUMN content SET STORAGE EXTERNAL;

-- Which key store this database was written with: another one does not open it.
CREATE TABLE key_store (
    one         boolean     PRIMARY KEY DEFAULT true CHECK (one),
    id          bytea       NOT NULL
);
ALTER TABLE key_store ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON key_store TO salus_wide USING (true);
REVOKE UPDATE, DELETE, TRUNCATE ON key_store FROM salus_wide;

-- Whose keys are still to be destroyed: noted in the transaction that erases, done after it, by whoever comes first.
CREATE TABLE key_to_destroy (
    whose       text        PRIMARY KEY               -- as the key store names it
);
ALTER TABLE key_to_destroy ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON key_to_destroy TO salus_wide USING (true);

-- Tables with contents that an older version left in clear, and how far they are sealed (store/clear_contents.py).
CREATE TABLE clear_content (
    name        text        PRIMARY KEY,
    after       text[]      NOT NULL DEFAULT '{}'     -- the last key that was looked at
);
ALTER TABLE clear_content ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON clear_content TO salus_wide USING (true);
DO $$
DECLARE
    one text;
    filled boolean;
BEGIN
    FOREACH one IN ARRAY ARRAY['resource', 'resource_version', 'document', 'quarantine', 'export_file', 'dispensed_abroad',
                               'finding', 'watch', 'rectification', 'rectification_step', 'erasure', 'erasure_step'] LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', one) INTO filled;
        IF filled THEN
            INSERT INTO clear_content (name) VALUES (one);
        END IF;
    END LOOP;
END
$$;
