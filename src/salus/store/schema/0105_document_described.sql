-- A DocumentReference finds the document it describes, in whichever record either lies.
CREATE INDEX document_described ON document (reference);
