"""Reports render a finished view.

Each is a module of its own, to be imported by itself: ``terminal`` and ``view`` bring the gates with them, and those
scipy, which ``estimate`` does without before anything is sent.
"""

from __future__ import annotations
