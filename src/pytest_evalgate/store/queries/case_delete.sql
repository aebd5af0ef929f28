-- Delete a case, which is inserted again.
DELETE FROM cases WHERE case_sha256 = :case_sha256
