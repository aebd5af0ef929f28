"""Pages of ``pytest-evalgate view``. Each is a function of the sources and a question that returns HTML."""
