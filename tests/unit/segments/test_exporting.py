from datetime import UTC, datetime, timedelta

import pytest

from services.segments.export_sweeping import export_of
from services.segments.exporting import Export, content_disposition, download_url, format_errors, status_at

NOW = datetime(2026, 4, 25, 14, 32, tzinfo=UTC)


def export(**changed: object) -> Export:
    fields: dict[str, object] = {
        "id": 12,
        "segment_id": 7,
        "segment_name": "Big spenders",
        "format": "csv",
        "status": "complete",
        "object_key": "3-12-0a1b.csv",
        "row_count": 1,
        "expires_at": NOW,
        "error": None,
    }
    return Export(**{**fields, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "expires_at", "shown"),
    [
        ("pending", None, "pending"),
        ("failed", None, "failed"),
        ("complete", NOW + timedelta(seconds=1), "complete"),
        ("complete", NOW, "expired"),
        ("expired", NOW, "expired"),
    ],
)
def test_a_complete_export_has_expired_when_its_time_is_over(
    status: str, expires_at: datetime | None, shown: str
) -> None:
    assert status_at(status, expires_at, NOW) == shown


def test_a_format_is_csv_or_parquet() -> None:
    assert format_errors("csv") == format_errors("parquet") == []
    assert format_errors("") == ["This field is required."]
    assert format_errors("CSV") == ["'CSV' is not one of csv, parquet"]
    assert format_errors("x" * 1000) == [f"'{'x' * 40}' is not one of csv, parquet"]


def test_a_download_is_on_the_host_that_was_asked() -> None:
    asked = "https://segops.example.com:8443/api/segments/7/export/?export_id=12"
    assert download_url(export(), asked) == "https://segops.example.com:8443/api/segments/exports/12/download/"


def test_there_is_no_download_before_and_after_and_without_a_host() -> None:
    for status in ("pending", "running", "failed", "expired"):
        assert download_url(export(status=status), "http://host/api/") is None
    assert download_url(export(), "") is None


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("Big spenders", "Big%20spenders%2012.csv"),
        ("Größe “A”", "Gr%C3%B6%C3%9Fe%20%E2%80%9CA%E2%80%9D%2012.csv"),
        ('../a"b\\c;d', ".._a%22b_c%3Bd%2012.csv"),
    ],
)
def test_a_file_is_named_in_ascii_and_after_its_segment(name: str, encoded: str) -> None:
    assert content_disposition(export(segment_name=name)) == (
        f"attachment; filename=\"segment-7-export-12.csv\"; filename*=UTF-8''{encoded}"
    )


def test_only_files_of_exports_are_known() -> None:
    assert export_of("3-12-0a1b.csv") == export_of("3-12-0a1b.csv.k3j2h1.part") == (3, 12)
    assert [export_of(name) for name in ("3-12", "3-12.csv", "notes.csv", "x3-12-0a.csv", "3-12-0a.", "")] == [None] * 6
