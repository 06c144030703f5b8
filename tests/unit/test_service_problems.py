import inspect

import pytest

from lexmax import errors
from lexmax.service.problems import INTERNAL, PROBLEMS, problem_of

STATUS = {
    errors.LexmaxError: 500,
    errors.ClientError: 500,
    errors.InputError: 422,
    errors.ShapeError: 422,
    errors.QueryError: 422,
    errors.FilterError: 422,
    errors.PipelineError: 422,
    errors.CorpusError: 422,
    errors.DocumentError: 422,
    errors.EncoderError: 422,
    errors.TrainingError: 422,
    errors.EvaluationError: 422,
    errors.CalibrationError: 422,
    errors.SnapshotError: 422,
    errors.StorageError: 500,
    errors.NotACollectionError: 404,
    errors.CollectionExistsError: 409,
    errors.IndexFormatError: 500,
    errors.CorruptionError: 500,
    errors.LockedError: 409,
    errors.DiskFullError: 507,
    errors.OpenFilesError: 503,
}


def test_the_table_above_has_every_error() -> None:
    classes = {kind for _, kind in inspect.getmembers(errors, inspect.isclass)}
    assert classes == set(STATUS)


@pytest.mark.parametrize(("kind", "status"), STATUS.items())
def test_every_error_has_its_status(kind: type[Exception], status: int) -> None:
    assert problem_of(kind("found, expected, remedy")).status == status


def test_a_class_without_a_row_takes_the_one_above() -> None:
    assert problem_of(errors.ShapeError("")) is PROBLEMS[errors.InputError]
    assert problem_of(RuntimeError("")) is INTERNAL


def test_codes_are_stable_and_differ() -> None:
    assert sorted(problem.code for problem in PROBLEMS.values()) == [
        "collection_damaged",
        "collection_exists",
        "collection_locked",
        "collection_not_found",
        "disk_full",
        "document_invalid",
        "encoder_unavailable",
        "filter_invalid",
        "index_format_unknown",
        "internal_error",
        "invalid_input",
        "pipeline_unavailable",
        "query_invalid",
        "snapshot_invalid",
        "storage_failed",
        "too_many_open_files",
    ]


def test_errors_that_name_paths_never_speak_for_themselves() -> None:
    for kind, problem in PROBLEMS.items():
        if issubclass(kind, errors.StorageError) or kind is errors.LexmaxError:
            assert problem.detail, kind
