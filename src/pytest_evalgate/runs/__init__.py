"""Plans, runs and baselines, and how they are stored."""
