-- Dispensations that this node has another node record: written down before they are sent, so that a lost answer
-- or a crash leaves an open line, which the same message closes later, and not a doubt.

CREATE TABLE dispensed_abroad (
    patient      text        NOT NULL,               -- "node:id", as this node's audit names a patient abroad
    system       text        NOT NULL,               -- the dispense id
    value        text        NOT NULL,
    prescription text        NOT NULL,               -- id of the MedicationRequest at home
    message      bytea       NOT NULL,               -- the MedicationDispense as sent
    begun        timestamptz NOT NULL,
    settled      timestamptz,                        -- when the answer came, NULL while the line is open
    state        text        NOT NULL CHECK (state IN ('open', 'recorded', 'refused', 'discarded')),
    note         text        NOT NULL DEFAULT '',    -- why it was refused
    PRIMARY KEY (patient, system, value)
);
CREATE INDEX dispensed_abroad_open ON dispensed_abroad (begun) WHERE state = 'open';
