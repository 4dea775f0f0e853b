"""The identity process: accounts, tokens, keys, and identities for the other processes."""

import hmac
from collections.abc import Mapping

from services.gen.segops.identity.v1 import admin_pb2_grpc, credentials_pb2_grpc, identity_pb2_grpc
from services.identity.accounts import Accounts
from services.identity.admin import AdminServicer
from services.identity.api_keys import ApiKeys
from services.identity.credentials import CredentialServicer
from services.identity.servicer import IdentityServicer
from services.identity.sessions import Sessions
from services.identity.tokens import TokenSigner
from services.kit.caller import SERVICE_SECRET_HEADER, Caller
from services.kit.idempotency import Answers
from services.kit.interceptor import Authenticate
from services.kit.keys import ACCESS_KEY, IDENTITY_KEY, INTERNAL_KEY, SERVICE_SECRET, private_key, secret
from services.kit.postgres import IDENTITY_ROLE, Database
from services.kit.server import Service, identity_from_header, run
from services.kit.settings import Settings
from services.kit.vault import Vault


def identity_or_secret(settings: Settings) -> Authenticate:
    """Takes the caller from the signed identity; a process without one shows the platform's service secret."""
    from_header = identity_from_header(settings)
    service_secret = secret(settings, SERVICE_SECRET).encode()

    def authenticate(metadata: Mapping[str, str]) -> Caller:
        shown = metadata.get(SERVICE_SECRET_HEADER, "").encode()
        if shown and hmac.compare_digest(shown, service_secret):
            return Caller(kind="service")
        return from_header(metadata)

    return authenticate


async def main(settings: Settings) -> None:
    service = Service("identity", settings, authenticate=identity_or_secret(settings))
    database = Database.connect(settings, role=IDENTITY_ROLE)
    service.resources.push_async_callback(database.close)
    service.watch(database.check)
    service.keep_answers(Answers(database, settings))
    signer = TokenSigner(private_key(settings, ACCESS_KEY))
    vault = Vault([secret(settings, IDENTITY_KEY)])
    keys = ApiKeys(database=database, vault=vault)
    sessions = Sessions(database=database, vault=vault, signer=signer)
    accounts = Accounts(
        database=database,
        signer=signer,
        default_plan=settings.default_plan,
        registration_open=settings.registration_open,
    )
    add = identity_pb2_grpc.add_IdentityServiceServicer_to_server
    add(IdentityServicer(accounts, keys, sessions, database), service.server)
    credentials_pb2_grpc.add_CredentialServiceServicer_to_server(
        CredentialServicer(database, private_key(settings, INTERNAL_KEY)), service.server
    )
    admin_pb2_grpc.add_AdminServiceServicer_to_server(
        AdminServicer(database, keys, settings.default_plan), service.server
    )
    await service.serve(
        "segops.identity.v1.IdentityService",
        "segops.identity.v1.CredentialService",
        "segops.identity.v1.AdminService",
    )


if __name__ == "__main__":
    run("identity", main)
