-- For whom a local client may speak: it states a role and a purpose in its assertion, the node decides which.
-- A client of before speaks for itself only.
ALTER TABLE client ADD COLUMN roles text NOT NULL DEFAULT 'app';     -- core.access.Role, separated by blanks
ALTER TABLE client ADD COLUMN purposes text NOT NULL DEFAULT '';     -- core.access.Purpose, separated by blanks
