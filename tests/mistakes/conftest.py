"""What playing the scenes imports: pytester unloads modules, and numpy cannot be imported twice."""

from __future__ import annotations

import pytest_evalgate.app.view
import pytest_evalgate.engine.loop
import pytest_evalgate.engine.routes
import pytest_evalgate.gates
import pytest_evalgate.plugin.session
import pytest_evalgate.plugin.xdist
import pytest_evalgate.reports.github
import pytest_evalgate.reports.html
import pytest_evalgate.reports.view  # noqa: F401 - the same
