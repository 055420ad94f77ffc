"""GET /metrics for Prometheus.

The database's numbers are read at each scrape, and requests are counted in memory that the workers share. So every
worker answers the same.
"""

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from wishlist_service.queries.metrics import get_numbers
from wishlist_service.web import request_counts
from wishlist_service.web.context import read

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
def show_metrics() -> Response:
    """Return all numbers in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Numbers(read(get_numbers)))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Numbers(Collector):
    def __init__(self, numbers: dict[str, Any]) -> None:
        self._numbers = numbers

    def collect(self) -> Iterator[Metric]:
        """Yield the numbers. Called by generate_latest."""
        items = GaugeMetricFamily("wishlist_items", "Titles that someone wants.", labels=["type"])
        for media_type, count in self._numbers["items"].items():
            items.add_metric([media_type], count)
        yield items

        users = GaugeMetricFamily("wishlist_users", "People by sync_state, or paused.", labels=["state"])
        for state, count in self._numbers["users"].items():
            users.add_metric([state], count)
        yield users

        ages = GaugeMetricFamily(
            "wishlist_seconds_since_last_success",
            "Seconds since a person's list was last read.",
            labels=["user", "name"],
        )
        for user in self._numbers["ages"]:
            ages.add_metric([str(user["id"]), user["name"]], user["seconds"])
        yield ages

        syncs = SummaryMetricFamily("wishlist_sync_duration_seconds", "Duration of syncs by status.", labels=["status"])
        for run in self._numbers["runs"]:
            syncs.add_metric([run["status"]], count_value=run["runs"], sum_value=run["seconds"])
        yield syncs

        fulfilled = self._numbers["fulfilled"]
        yield CounterMetricFamily(
            "wishlist_fulfilled", "Wanted titles that came to the media server.", value=fulfilled["titles"]
        )
        days = HistogramMetricFamily("wishlist_days_to_library", "Days from the first wish until the title came.")
        buckets = sorted(fulfilled["buckets"].items(), key=lambda bucket: int(bucket[0]))
        days.add_metric([], [*buckets, ("+Inf", fulfilled["titles"])], sum_value=fulfilled["days"])
        yield days

        requests = CounterMetricFamily("wishlist_plex_requests", "Requests to Plex during syncs.", labels=["outcome"])
        for outcome, count in self._numbers["plex_requests"].items():
            requests.add_metric([outcome], count)
        yield requests

        answered = CounterMetricFamily(
            "wishlist_http_requests", "Requests answered.", labels=["method", "route", "status"]
        )
        for counted, count in sorted(request_counts.counts.totals().items()):
            answered.add_metric(counted, count)
        yield answered
