-- The represented contests a power that a court gave (a guardian's): that is written down and waits for staff, and the power
-- stands meanwhile. A dispute (disputed_at) suspends a power.
ALTER TABLE proxy ADD COLUMN contested_at timestamptz;
CREATE INDEX proxy_in_dispute ON proxy (asked_at) WHERE ended_at IS NULL AND (disputed_at IS NOT NULL OR contested_at IS NOT NULL);
