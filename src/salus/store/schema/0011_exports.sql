-- An export that fails for a reason nobody foresaw is tried a few times, then it is an error.

ALTER TABLE export_job ADD COLUMN attempts integer NOT NULL DEFAULT 0;
