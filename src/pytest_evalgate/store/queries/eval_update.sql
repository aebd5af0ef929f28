-- Set the owner and the description of a suite, if they are others.
UPDATE evals
SET owner = :owner, description = :description
WHERE project = :project
  AND suite = :suite
  AND (
    coalesce(owner, '') <> coalesce(CAST(:owner AS TEXT), '')
    OR coalesce(description, '') <> coalesce(CAST(:description AS TEXT), '')
  )
