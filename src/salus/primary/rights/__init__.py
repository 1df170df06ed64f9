"""What the law lets a person ask for: one module a right (EHDS chapter II, GDPR chapter III)."""
