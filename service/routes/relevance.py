"""How does a collection learn which hits are relevant enough? By a job."""

from fastapi import APIRouter, status

from lexmax.pipeline import default_name
from lexmax.relevance.calibrations import check_name
from lexmax.service.calibration_schemas import CalibrationOrder
from lexmax.service.job_runner import new_job
from lexmax.service.jobs import Job, JobSource
from lexmax.service.limits import asked_pipeline, check_count
from lexmax.service.parts import Parts
from lexmax.service.schemas import CollectionName
from lexmax.service.strict_json import StrictRoute

router = APIRouter(tags=["collections"], route_class=StrictRoute)


@router.post("/v1/collections/{name}/calibrate", status_code=status.HTTP_202_ACCEPTED)
async def start_calibration(name: CollectionName, body: CalibrationOrder, service: Parts) -> Job:
    """Learn from judged queries which hits are relevant, so that searches can ask `min_relevance`.

    A job does it, and says under `calibration` what it made; what is told to stop writes nothing.
    """
    settings = service.settings
    check_count("depth", body.depth, settings.max_k, unit="hits")
    check_name(body.name)
    default = await service.read(name, lambda collection: default_name(collection.encoders))
    asked_pipeline(body.pipeline or default, settings)

    def start() -> Job:
        order = body.model_dump_json().encode()
        source = JobSource(kind="calibration", bytes=len(order))
        return service.jobs.start(name, new_job(source, 0), sent=order)

    return await service.writing.run(start, service.call)
