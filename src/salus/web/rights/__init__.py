"""The rights of a person as doors: a module a right (EHDS chapter II, GDPR chapter III)."""
