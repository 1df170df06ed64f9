"""Property tests draw the same cases in every run and are not timed: a busy machine is no failure.

HYPOTHESIS_PROFILE=search draws other cases in every run, and more of them.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
