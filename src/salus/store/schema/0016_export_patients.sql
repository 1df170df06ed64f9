-- Whose data a file of an export holds, so that each download leaves a leaf under every one of them.

ALTER TABLE export_file
    ADD COLUMN patients text[]    NOT NULL DEFAULT '{}',  -- logical ids; '' for resources about nobody
    ADD COLUMN counts   integer[] NOT NULL DEFAULT '{}';  -- how many resources of each, in the same order
