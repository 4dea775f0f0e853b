"""What the document says before its routes: the rules that hold for all of them."""

INTRODUCTION = """
**Credentials.** A server shows a secret key (`Authorization: ApiKey sk_live_...`), a person an access token
(`Authorization: Bearer ...`, from `POST /api/auth/token/`). A public key opens sessions and does nothing else; the
token of a session sends events of one end user.

**Paths** end in a slash, and work without it too. A percent-encoded segment is decoded.

**Bodies** are JSON in UTF-8. Every field of an answer is there, `null` where it has no value. Unknown fields of a
request are ignored, save in segment definitions and settings. Times are RFC 3339 in UTC; a request may use any
offset.

**Errors** are `{"detail": "..."}`, or `{"field": ["...", ...]}` with every wrong field.

**Lists** take `limit` and `offset`, or `page` and `page_size`, and give absolute URLs in `next` and `previous`. Large
collections take `limit` and `cursor`, and give `next_cursor`.

**Repetition.** A POST with an `Idempotency-Key` is done once within 24 hours. After 503 nothing was accepted. After
504 it is not known.

**Limits.** The calls of a tenant count together. `X-RateLimit-Limit`, `-Remaining` and `-Reset` tell where it stands;
429 says in `Retry-After` how many seconds to wait.
""".strip()
