-- A resource server asks of the tokens that it is sent (RFC 7662), and gets none itself.
ALTER TABLE client ADD COLUMN introspects boolean NOT NULL DEFAULT false;
