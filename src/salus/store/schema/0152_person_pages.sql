-- A page of the map of persons is hashes, which do not compress, and at most 4,700 bytes: kept in its row as it is.
ALTER TABLE person_page ALTER COLUMN content SET STORAGE PLAIN;
