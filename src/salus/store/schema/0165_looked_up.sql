-- How often a node looked patients up, by minute of a day and of the whole day (minute -1). No patient is in it.
CREATE TABLE looked_up (
    node        text        NOT NULL,
    emergency   boolean     NOT NULL,
    day         date        NOT NULL,
    minute      smallint    NOT NULL,
    asked       integer     NOT NULL,
    PRIMARY KEY (node, emergency, day, minute)
);
ALTER TABLE looked_up ENABLE ROW LEVEL SECURITY;
CREATE POLICY wide ON looked_up TO salus_wide USING (true);
