"""The identity process: accounts, tokens, keys, and identities for the other processes."""

import hmac
from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from services.gen.segops.identity.v1 import (
    admin_pb2_grpc,
    credentials_pb2_grpc,
    identity_pb2_grpc,
    team_pb2_grpc,
    tenants_pb2_grpc,
)
from services.identity import invitations as invitation
from services.identity import sign_in
from services.identity.accounts import Accounts
from services.identity.admin import AdminServicer
from services.identity.api_keys import ApiKeys
from services.identity.credentials import CredentialServicer
from services.identity.invitation_mail import Post
from services.identity.invitations import Invitations
from services.identity.mail import Mailer, read_server
from services.identity.renewal import renew_secrets
from services.identity.servicer import IdentityServicer
from services.identity.sessions import Sessions
from services.identity.settings import IdentitySettings
from services.identity.sign_in import SignIn
from services.identity.signing_keys import FORGET_SECONDS, SigningKeys, first_key
from services.identity.team import Team
from services.identity.team_servicer import TeamServicer
from services.identity.tenant_servicer import TenantServicer
from services.identity.tenants import Tenants
from services.kit.caller import SERVICE_SECRET_HEADER, Caller
from services.kit.idempotency import Answers
from services.kit.interceptor import Authenticate
from services.kit.keys import IDENTITY_KEY, INTERNAL_KEY, SERVICE_SECRET, private_key, secret
from services.kit.postgres import IDENTITY_ROLE, Database
from services.kit.renewal import until_done
from services.kit.repeating import repeat
from services.kit.server import Service, identity_from_header, run
from services.kit.settings import Settings
from services.kit.vault import Vault
from services.kit.visitor_links import VisitorLinks


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


def _post(settings: Settings) -> Post | None:
    url = settings.smtp_url.get_secret_value()
    if not url:
        return None
    return Post(Mailer(read_server(url).send), mail_from=settings.mail_from, public_url=settings.public_url)


async def main(settings: Settings) -> None:
    service = Service("identity", settings, authenticate=identity_or_secret(settings))
    own = IdentitySettings()
    database = Database.connect(settings, role=IDENTITY_ROLE)
    service.resources.push_async_callback(database.close)
    service.watch(database.check)
    service.keep_answers(Answers(database, settings))
    vault = Vault([*own.key_list, secret(settings, IDENTITY_KEY)])
    signing_keys = SigningKeys(
        database=database,
        vault=vault,
        publication=timedelta(seconds=own.key_publication_seconds),
        first=partial(first_key, settings),
    )
    keys = ApiKeys(database=database, vault=vault)
    links = VisitorLinks(settings)
    service.resources.push_async_callback(links.close)
    sessions = Sessions(database=database, vault=vault, keys=signing_keys, links=links)
    # A flood of people who sign in takes these connections, and no others.
    sign_in_database = Database.connect(settings, role=IDENTITY_ROLE, pool_size=2, name="sign_in")
    service.resources.push_async_callback(sign_in_database.close)
    sign_ins = SignIn(database=sign_in_database, secret=secret(settings, SERVICE_SECRET).encode())
    accounts = Accounts(
        database=database,
        keys=signing_keys,
        sign_ins=sign_ins,
        default_plan=settings.default_plan,
        registration_open=settings.registration_open,
    )
    tenants = Tenants(
        database=database,
        default_plan=settings.default_plan,
        registration_open=settings.registration_open,
        owners_choose_plan=settings.lets_owners_choose_plan,
    )
    invitations = Invitations(database=database, accounts=accounts, post=_post(settings))
    for work in (
        until_done(partial(renew_secrets, database, vault)),
        repeat(FORGET_SECONDS, signing_keys.forget),
        repeat(sign_in.FORGET_SECONDS, sign_ins.forget),
        repeat(invitation.FORGET_SECONDS, invitations.forget),
    ):
        service.keep_doing(work)
    add = identity_pb2_grpc.add_IdentityServiceServicer_to_server
    add(IdentityServicer(accounts, keys, sessions, signing_keys, database), service.server)
    credentials_pb2_grpc.add_CredentialServiceServicer_to_server(
        CredentialServicer(database, signing_keys, private_key(settings, INTERNAL_KEY)), service.server
    )
    admin_pb2_grpc.add_AdminServiceServicer_to_server(
        AdminServicer(database, keys, signing_keys, settings.default_plan), service.server
    )
    tenants_pb2_grpc.add_TenantServiceServicer_to_server(TenantServicer(tenants), service.server)
    team_pb2_grpc.add_TeamServiceServicer_to_server(TeamServicer(Team(database=database), invitations), service.server)
    await service.serve(
        "segops.identity.v1.IdentityService",
        "segops.identity.v1.TenantService",
        "segops.identity.v1.TeamService",
        "segops.identity.v1.CredentialService",
        "segops.identity.v1.AdminService",
    )


if __name__ == "__main__":
    run("identity", main)
