"""The figures of a judge held against people, a module a kind; ``measure`` puts them together.

All are numbers in, frozen records out, and know nothing of files.
"""
