"""Statistics of the gates and of judges: numbers in, frozen dataclasses out."""
