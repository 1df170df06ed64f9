"""National personal identifiers of Europe and the rule that each country checks them by."""
