"""The metrics of all processes of a supervisor as one page: each figure with the number of its process."""

import urllib.request
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from synckairos.composition.supervision.child import Child

PATIENCE_S: Final = 2.0


class MergedMetrics(Collector):
    """What the processes show, fetched whenever it is asked for; one that does not answer in time is left out."""

    def __init__(self, children: Mapping[int, Child]) -> None:
        """`children` by number, as they are at the time of asking."""
        self._children = children
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.restarts = Counter(
            "synckairos_process_restarts", "Server processes that ended unasked.", registry=self.registry
        )
        ready = Gauge("synckairos_processes_ready", "Server processes that are SERVING.", registry=self.registry)
        ready.set_function(lambda: sum([child.is_serving for child in children.values()]))

    def collect(self) -> Iterable[Metric]:
        """Yield the families of all processes, samples of one name together."""
        ports = {place: child.metrics_port for place, child in self._children.items() if child.metrics_port}
        families: dict[str, Metric] = {}
        with ThreadPoolExecutor(max(1, len(ports))) as pool:
            for place, page in zip(ports, pool.map(_page, ports.values()), strict=True):
                for family in text_string_to_metric_families(page):
                    known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                    known.samples += [
                        sample._replace(labels={**sample.labels, "process": str(place)}) for sample in family.samples
                    ]
        return families.values()


def _page(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as reply:
            return str(reply.read().decode())
    except OSError:
        return ""
