-- A person may wish to be told of every access of others to their record, not only of what is out of the ordinary.

ALTER TABLE notice_channel ADD COLUMN every boolean NOT NULL DEFAULT false;
ALTER TABLE notice_channel ALTER COLUMN quiet SET DEFAULT false;

CREATE TABLE wished_notice (
    position    bigint      NOT NULL,                   -- accesses below this index of the log were looked at
    one         boolean     PRIMARY KEY DEFAULT true CHECK (one)
);
