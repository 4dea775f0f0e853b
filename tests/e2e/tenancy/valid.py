"""Every valid request, as it is meant."""

from services.gen.segops.options.v1 import access_pb2
from tests.e2e.tenancy.asking import ask, headers_for
from tests.e2e.tenancy.calls import access_of, name_of, one_of_each
from tests.e2e.tenancy.world import World

# There is no way to read back what a webhook was sent.
REFUSED = {"ConnectorsService/VerifyActivation": 400}


def call_all(world: World) -> None:
    """Calls every RPC once over REST and asserts that it did what was asked. The tenant has another Owner then."""
    # The last of what only an Owner may do is to make another the Owner.
    for binding in sorted(one_of_each(), key=lambda binding: access_of(binding.rpc) == access_pb2.ACCESS_OWNER):
        request = binding.request(world.samples()[name_of(binding.rpc)])
        client = next(iter(world.admitted(access_of(binding.rpc)).values()))
        answer = ask(client, request, **headers_for(world, binding, request.body))
        expected = REFUSED.get(name_of(binding.rpc))
        assert answer.status_code == expected or (answer.is_success and not expected), (str(binding), answer.text)
