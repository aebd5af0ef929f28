"""Import of files of other tools and of tables: each becomes canonical rows of a golden set, with a place for each."""
