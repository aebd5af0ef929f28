"""Local page and HTTP API over the stored results: ``pytest-evalgate view``."""
