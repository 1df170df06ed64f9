-- Whose people a registered system speaks for: the identifier of the organisation, "system|value"; '' where it states that itself.
ALTER TABLE client ADD COLUMN organisation_id text NOT NULL DEFAULT '';
