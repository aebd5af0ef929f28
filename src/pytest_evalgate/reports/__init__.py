"""Reports: each renders a finished ``ReportView``.

Modules are imported by themselves, so that a session pays only for the formats that it writes. None imports the gates,
and with them scipy: ``app.view`` does.
"""

from __future__ import annotations
