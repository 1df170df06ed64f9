-- Wrong numbers and codes by which somebody was to be shown to be with a patient, by who tried, day and patient. `node` is a
-- member node, or 'person:' and the subject of a professional of this one.
ALTER TABLE unproven ADD COLUMN asked boolean NOT NULL DEFAULT true;  -- whether it counts among those asked for unproven
ALTER TABLE unproven ADD COLUMN wrong integer NOT NULL DEFAULT 0;
