"""An application with OpenTelemetry's SDK: counts, measures, sends and says how it went.

Usage: otlp_sender.py ENDPOINT TOKEN [delta]
"""

import sys

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

endpoint, token, *more = sys.argv[1:]
delta = {Counter: AggregationTemporality.DELTA} if more == ["delta"] else {}
exporter = OTLPMetricExporter(
    endpoint=endpoint,
    headers={"Authorization": f"Bearer {token}"},
    compression=Compression.Gzip,
    preferred_temporality=delta,
)
service = {
    "service.namespace": "shop",
    "service.name": "delta" if delta else "cart",
    "service.instance.id": "cart-1",
    "deployment.environment": "tỉnh",
}
provider = MeterProvider(
    metric_readers=[PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)],
    resource=Resource.create(service),
    views=[
        View(
            instrument_name="http.server.request.duration",
            aggregation=ExplicitBucketHistogramAggregation((0.1, 1, 5)),
        )
    ],
)
meter = provider.get_meter("story", "1.0")

orders = meter.create_counter("shop.orders", unit="1")
for count in range(1, 11):
    orders.add(count, {"order.kind": "web"})
orders.add(3, {"order.kind": "phone"})

queue = meter.create_up_down_counter("queue.size", unit="{messages}")
queue.add(12)
queue.add(-5)

meter.create_observable_gauge(
    "room.temperature", [lambda _: [Observation(21.5, {"room": "phòng máy"})]], unit="Cel"
)

durations = meter.create_histogram("http.server.request.duration", unit="s")
for seconds in (0.05, 0.1, 0.5, 2, 2, 30):
    durations.record(seconds, {"http.response.status_code": 200})

print("flushed" if provider.force_flush() else "failed", flush=True)
provider.shutdown()
