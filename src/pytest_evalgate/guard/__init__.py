"""Changes that a branch makes to its own gate: settings, golden sets, baselines."""
