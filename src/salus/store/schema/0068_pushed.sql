-- Requests that apps send ahead of the person (RFC 9126): nothing of them passes through the browser.

CREATE TABLE app_request (
    digest      bytea       PRIMARY KEY,                -- SHA-256 of the reference's secret
    client      text        NOT NULL,
    query       text        NOT NULL,                   -- the parameters, as a query string
    expires_at  timestamptz NOT NULL
);
CREATE INDEX app_request_expiry ON app_request (expires_at);
