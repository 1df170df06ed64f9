-- What a source sent, told from what was done here: a file loaded again must undo neither an edit nor a deletion.
-- True: the current version, or its withdrawal by a later document, is what the source sent last. False: it
-- was written here (by REST, by a dispensation). COPY leaves the column out and so gets the default.
-- Which contents were ever received is told by the history: store/received.py.
ALTER TABLE resource ADD COLUMN received boolean NOT NULL DEFAULT true;
ALTER TABLE load_progress ADD COLUMN kept bigint NOT NULL DEFAULT 0;
