"""The fixed words of documents: messages in English, and a gettext catalogue for each other language."""
