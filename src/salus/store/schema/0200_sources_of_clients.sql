-- Systems in whose name a registered client sends documents (meta.source); another's name is no more than a claim.
ALTER TABLE client ADD COLUMN sources text[] NOT NULL DEFAULT '{}';
