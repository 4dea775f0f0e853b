"""What whoever is invited reads."""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from sqlalchemy import Row

from services.identity.fields import postal
from services.identity.mail import Mailer
from services.kit.wire import rfc3339

TEXT = """\
You are invited to join {tenant} as {role}.

Until {expires_at} this token lets you in:

    {token}

Send it to POST {public_url}/api/team/invitations/accept/ with a password: a new one of 10 characters or more, or that
of your account here if you have one.

    {{"token": "{token}", "password": "..."}}

If you expected no invitation, you need do nothing.
"""


class Post:
    """Mails invitations in the background."""

    def __init__(self, mailer: Mailer, *, mail_from: str, public_url: str) -> None:
        self._mailer = mailer
        self._from = mail_from
        self._public_url = public_url.rstrip("/")

    def invitation(self, row: Row[Any], *, token: str, tenant_name: str) -> None:
        """Mails an invitation to the address it is for."""
        message = EmailMessage(policy=SMTP)
        message["From"] = self._from
        message["To"] = Address(addr_spec=postal(row.email))
        message["Subject"] = f"Invitation to {tenant_name}"
        # Nobody's vacation need answer.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(
            TEXT.format(
                tenant=tenant_name,
                role=row.role,
                expires_at=rfc3339(row.expires_at),
                token=token,
                public_url=self._public_url,
            )
        )
        self._mailer.post(message, about=f"invitation {row.id}")
