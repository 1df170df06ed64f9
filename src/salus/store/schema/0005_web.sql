-- What the web faces keep between requests: bulk exports and the state of subscriptions.
-- Only salus_wide reaches these tables (default privileges of 0001).

-- Bulk Data Access 2.0: a kick-off inserts a job, any worker of the node takes it (FOR UPDATE SKIP LOCKED).
CREATE TABLE export_job (
    id          text        PRIMARY KEY,
    subject     text        NOT NULL,                 -- who asked (Caller.subject and issuer): nobody else sees it
    issuer      text        NOT NULL,
    caller      bytea       NOT NULL,                 -- the Caller as JSON: the worker enters the gate as this caller
    wish        bytea       NOT NULL,                 -- what was asked, as JSON
    status      text        NOT NULL CHECK (status IN ('accepted', 'running', 'complete', 'error', 'cancelled')),
    message     text        NOT NULL DEFAULT '',      -- why it failed
    created_at  timestamptz NOT NULL,
    taken_at    timestamptz,                          -- a worker that died loses the job after a while
    finished_at timestamptz,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX export_job_status ON export_job (status, created_at);

CREATE TABLE export_file (
    job         text        NOT NULL REFERENCES export_job (id) ON DELETE CASCADE,
    number      integer     NOT NULL,
    type        text        NOT NULL,
    resources   integer     NOT NULL,
    content     bytea       NOT NULL,                 -- NDJSON
    PRIMARY KEY (job, number)
);

-- The state of an active Subscription resource; the resource itself is in `resource`.
CREATE TABLE subscription (
    id          text        PRIMARY KEY,
    caller      bytea       NOT NULL,                 -- the Caller who made it, as JSON: what it sees, it may be told
    criteria    text        NOT NULL,
    endpoint    text        NOT NULL,
    content     text        NOT NULL CHECK (content IN ('empty', 'id-only', 'full-resource')),
    header      bytea       NOT NULL,                 -- request headers to send, as a JSON array of strings
    expires_at  timestamptz,
    since       timestamptz NOT NULL,                 -- changes up to here were looked at
    leaf_after  bigint      NOT NULL,                 -- accesses up to this index of the ledger were looked at
    events      bigint      NOT NULL DEFAULT 0,       -- notified so far
    failures    integer     NOT NULL DEFAULT 0,       -- in a row
    attempt_at  timestamptz NOT NULL                  -- not before this moment
);

-- Events already notified within the window that is looked at again (a transaction may commit late).
CREATE TABLE subscription_event (
    subscription text        NOT NULL REFERENCES subscription (id) ON DELETE CASCADE,
    event        text        NOT NULL,
    at           timestamptz NOT NULL,
    PRIMARY KEY (subscription, event)
);
