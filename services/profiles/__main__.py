"""The profiles service: looks up single users."""

from services.gen.segops.profiles.v1 import profiles_pb2_grpc
from services.kit.channel import connect
from services.kit.server import Service, run
from services.kit.settings import Settings
from services.profiles.servicer import ProfilesServicer


async def main(settings: Settings) -> None:
    """Serves until told to stop."""
    service = Service("profiles", settings)
    warehouse, segments = connect(settings, "warehouse"), connect(settings, "segments")
    service.resources.push_async_callback(warehouse.close)
    service.resources.push_async_callback(segments.close)
    service.watch(warehouse.channel_ready)
    service.watch(segments.channel_ready)
    profiles_pb2_grpc.add_ProfilesServiceServicer_to_server(ProfilesServicer(warehouse, segments), service.server)
    await service.serve("segops.profiles.v1.ProfilesService")


if __name__ == "__main__":
    run("profiles", main)
