"""Text utilities: JSON lines, files, escaping, layout, redaction and wording."""
