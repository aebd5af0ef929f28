"""Reports: each renders a finished ``ReportView``.

A session imports only the modules of the formats that it writes. None of them imports the gates, which need scipy.
"""

from __future__ import annotations
