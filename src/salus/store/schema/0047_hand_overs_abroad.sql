-- A hand-over abroad is its pharmacy's: it alone finishes it or takes it back, on the relationship that it stated.
-- Lines of before have neither: any pharmacy of the node finishes them, on no relationship, and home decides.

ALTER TABLE dispensed_abroad
    ADD COLUMN pharmacy     text NOT NULL DEFAULT '',
    ADD COLUMN relationship text NOT NULL DEFAULT 'none',
    DROP CONSTRAINT dispensed_abroad_state_check,
    ADD CONSTRAINT dispensed_abroad_state_check
        CHECK (state IN ('open', 'recorded', 'refused', 'abandoning', 'discarding', 'discarded'));
DROP INDEX dispensed_abroad_open;
CREATE INDEX dispensed_abroad_unanswered ON dispensed_abroad (begun)
    WHERE state IN ('open', 'abandoning', 'discarding');
CREATE INDEX dispensed_abroad_dispense_id ON dispensed_abroad (system, value);
