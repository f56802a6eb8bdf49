"""The time zone of this process, for a while."""

import os
import time


class Timezone:
    """Another zone until it is closed; then the one before."""

    def __init__(self, name: str) -> None:
        self._before = os.environ.get("TZ")
        os.environ["TZ"] = name
        time.tzset()

    def close(self) -> None:
        os.environ.pop("TZ", None)
        if self._before is not None:
            os.environ["TZ"] = self._before
        time.tzset()
