"""When OpenTelemetry's variables ask for traces."""

import pytest

from synckairos.composition.traces import is_traced

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://collector:4318/v1/metrics"}, False),
    ],
)
def test_traces_are_made_where_they_can_go_somewhere(environment: dict[str, str], expected: bool) -> None:
    """An endpoint is enough; what switches the SDK or the exporter off counts more."""
    assert is_traced(environment) is expected
