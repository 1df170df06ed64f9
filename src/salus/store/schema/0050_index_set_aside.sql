-- PostgreSQL 17 and later build an index with no search path but their own, in which the names of 0051 would not find the
-- functions they call. Until 0051_index_of_names these indexes hold nothing.
DROP INDEX resource_outside_names;
DROP INDEX resource_version_outside_names;
CREATE INDEX resource_outside_names ON resource (type) WHERE false;
CREATE INDEX resource_version_outside_names ON resource_version (type) WHERE false;
