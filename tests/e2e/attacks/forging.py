"""Tokens as somebody would forge them who has one of their own, the public keys, and much time."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Claims = Mapping[str, Any]

HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class Material:
    """A good token with its claims and header, and the key that signed it, which an attacker does not have."""

    good: str
    claims: Claims
    header: Claims
    key: Ed25519PrivateKey
    # Where somebody listens who would like to be asked for keys.
    lure: str
    # Another tenant and a person of it.
    tenant_id: int
    user_id: int
    # A good token of another kind, and an identity that services take.
    other: str
    internal: str
    own_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def parts(self) -> list[str]:
        """Header, payload and signature of the good token."""
        return self.good.split(".")

    @property
    def own_jwk(self) -> dict[str, Any]:
        """The attacker's public key."""
        return {**jwt.algorithms.OKPAlgorithm.to_jwk(self.own_key.public_key(), as_dict=True), **self.header}

    def signed(self, key: Ed25519PrivateKey | None = None, header: Claims | None = None, **claims: Any) -> str:
        """A token with other claims or header, by the true key unless there is another."""
        said = {name: value for name, value in {**self.claims, **claims}.items() if value is not None}
        return jwt.encode(said, key or self.key, "EdDSA", {**self.header, **(header or {})})

    def by_own_key(self, **header: Any) -> str:
        """A token for somebody else, signed by the attacker, with more in its header."""
        return self.signed(self.own_key, header, tenant=self.tenant_id, sub=str(self.user_id))

    def beheaded(self, header: object, signature: str = "") -> str:
        """The good token's payload under another header, without its signature."""
        return f"{encoded(header)}.{self.parts[1]}.{signature}"

    def by_shared_secret(self, secret: bytes, **header: Any) -> str:
        """A token whose signature is made with a secret that everybody knows."""
        head = encoded({**self.header, "alg": "HS256", **header})
        payload = encoded({**self.claims, "tenant": self.tenant_id, "sub": str(self.user_id)})
        signature = hmac.new(secret, f"{head}.{payload}".encode(), hashlib.sha256).digest()
        return f"{head}.{payload}.{base64url(signature)}"

    def public(self, encoding: Encoding, form: PublicFormat) -> bytes:
        """The key that verifies, in a form that a library may take for a secret."""
        return self.key.public_key().public_bytes(encoding, form)

    @property
    def jwk(self) -> bytes:
        """The key that verifies, as it is published."""
        return jwt.algorithms.OKPAlgorithm.to_jwk(self.key.public_key()).encode()


def base64url(data: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def encoded(part: object) -> str:
    """A part of a token: bytes as they are, anything else as JSON."""
    return base64url(part if isinstance(part, bytes) else json.dumps(part).encode())


def now() -> int:
    """Unix time."""
    return int(time.time())


def _es256(m: Material) -> str:
    return jwt.encode(dict(m.claims), generate_private_key(SECP256R1()), "ES256", {"kid": m.header["kid"]})


PEM = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
DER = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
RAW = (Encoding.Raw, PublicFormat.Raw)
OPENSSH = (Encoding.OpenSSH, PublicFormat.OpenSSH)

ALGORITHMS: dict[str, Callable[[Material], str]] = {
    "none": lambda m: m.beheaded({**m.header, "alg": "none"}),
    "none with the good signature": lambda m: m.beheaded({**m.header, "alg": "none"}, m.parts[2]),
    "None": lambda m: m.beheaded({**m.header, "alg": "None"}),
    "nOnE": lambda m: m.beheaded({**m.header, "alg": "nOnE"}),
    "an empty name": lambda m: m.beheaded({**m.header, "alg": ""}),
    "null": lambda m: m.beheaded({**m.header, "alg": None}),
    "a list": lambda m: m.beheaded({**m.header, "alg": ["EdDSA", "none"]}, m.parts[2]),
    "two": lambda m: m.beheaded(b'{"alg": "EdDSA", "alg": "none", "kid": "%s"}' % m.header["kid"].encode()),
    "none at all": lambda m: m.beheaded({"kid": m.header["kid"]}, m.parts[2]),
    "another case": lambda m: m.beheaded({**m.header, "alg": "eddsa"}, m.parts[2]),
    "ES256 by another key": _es256,
    "RS256": lambda m: m.beheaded({**m.header, "alg": "RS256"}, m.parts[2]),
    "the PEM as secret": lambda m: m.by_shared_secret(m.public(*PEM)),
    "the PEM without its last line end": lambda m: m.by_shared_secret(m.public(*PEM).strip()),
    "the DER as secret": lambda m: m.by_shared_secret(m.public(*DER)),
    "the raw key as secret": lambda m: m.by_shared_secret(m.public(*RAW)),
    "the OpenSSH form as secret": lambda m: m.by_shared_secret(m.public(*OPENSSH)),
    "the JWK as secret": lambda m: m.by_shared_secret(m.jwk),
    "the x of the JWK as secret": lambda m: m.by_shared_secret(json.loads(m.jwk)["x"].encode()),
    "the key id as secret": lambda m: m.by_shared_secret(m.header["kid"].encode()),
    "an empty secret": lambda m: m.by_shared_secret(b""),
    "an empty file as secret": lambda m: m.by_shared_secret(b"", kid="../../../../../../dev/null"),
}
HEADERS: dict[str, Callable[[Material], str]] = {
    "a key of one's own": lambda m: m.by_own_key(),
    "a key of one's own in jwk": lambda m: m.by_own_key(jwk=m.own_jwk),
    "a key of one's own in jwk, with its id": lambda m: m.by_own_key(jwk=m.own_jwk, kid="own"),
    "jku": lambda m: m.by_own_key(jku=m.lure, kid="own"),
    "jku and a known id": lambda m: m.by_own_key(jku=m.lure),
    "x5u": lambda m: m.by_own_key(x5u=m.lure, kid="own"),
    "x5c": lambda m: m.by_own_key(x5c=[base64.b64encode(m.own_key.public_key().public_bytes_raw()).decode()]),
    "a URL as key id": lambda m: m.by_own_key(kid=m.lure),
    "a path as key id": lambda m: m.by_own_key(kid="../../secrets/internal_key.pub.pem"),
    "SQL as key id": lambda m: m.by_own_key(kid="' UNION SELECT decode('00', 'hex') --"),
    "an unknown key id": lambda m: m.signed(header={"kid": "0" * 16}),
    "no key id": lambda m: m.beheaded({"alg": "EdDSA"}, m.parts[2]),
    "a key id in another case": lambda m: m.signed(header={"kid": m.header["kid"].upper() + "A"}),
    "an empty key id": lambda m: m.signed(header={"kid": ""}),
    "null as key id": lambda m: m.beheaded({**m.header, "kid": None}, m.parts[2]),
    "a number as key id": lambda m: m.beheaded({**m.header, "kid": 0}, m.parts[2]),
    "a list as key id": lambda m: m.beheaded({**m.header, "kid": [m.header["kid"]]}, m.parts[2]),
    "an object as key id": lambda m: m.beheaded({**m.header, "kid": {"a": 1}}, m.parts[2]),
    "a null character in the key id": lambda m: m.by_own_key(kid=m.header["kid"] + "\0"),
    "half a character in the key id": lambda m: m.beheaded(b'{"alg": "EdDSA", "kid": "\\ud800"}', m.parts[2]),
    "a long key id": lambda m: m.by_own_key(kid="k" * 3_000),
    "what must be understood": lambda m: m.signed(header={"crit": ["own"], "own": 1}),
    "a payload that is not encoded": lambda m: m.beheaded({**m.header, "b64": False, "crit": ["b64"]}, m.parts[2]),
    "deep lists": lambda m: m.beheaded(b"[" * 2_000 + b"]" * 2_000),
    "deep objects": lambda m: m.beheaded(b'{"a":' * 700 + b"1" + b"}" * 700),
    "a large number": lambda m: m.beheaded(b'{"alg": "EdDSA", "kid": ' + b"9" * 4_000 + b"}"),
    "no object": lambda m: m.beheaded(["EdDSA"], m.parts[2]),
    "UTF-16": lambda m: m.beheaded(json.dumps(m.header).encode("utf-16"), m.parts[2]),
    "no JSON": lambda m: m.beheaded(b"\xff\xfe\0", m.parts[2]),
}
CLAIMS: dict[str, Callable[[Material], str]] = {
    "expired": lambda m: m.signed(iat=now() - 2 * HOUR, exp=now() - 1),
    "expired long ago": lambda m: m.signed(exp=1),
    "without an end": lambda m: m.signed(exp=None),
    "an end that is no number": lambda m: m.signed(exp="never"),
    "issued in the future": lambda m: m.signed(iat=now() + HOUR, exp=now() + 2 * HOUR),
    "not before the future": lambda m: m.signed(nbf=now() + HOUR, exp=now() + 2 * HOUR),
    "another issuer": lambda m: m.signed(iss="https://segops.example.com"),
    "an issuer that begins alike": lambda m: m.signed(iss="segops.evil.example"),
    "no issuer": lambda m: m.signed(iss=None),
    "another audience": lambda m: m.signed(aud="segops"),
    "the audience of services": lambda m: m.signed(aud="segops-internal", typ="internal"),
    "no audience": lambda m: m.signed(aud=None),
    "another type": lambda m: m.signed(typ="internal"),
    "a type in another case": lambda m: m.signed(typ=m.claims["typ"].upper()),
    "a list of types": lambda m: m.signed(typ=[m.claims["typ"]]),
    "no type": lambda m: m.signed(typ=None),
    "nobody": lambda m: m.signed(sub=None),
    "a token of another kind": lambda m: m.other,
    "an identity of the inside": lambda m: m.internal,
    "an identity of the inside under our key id": lambda m: jwt.encode(
        jwt.decode(m.internal, options={"verify_signature": False}), m.own_key, "EdDSA", {"kid": m.header["kid"]}
    ),
    "another platform's, with the same key id": lambda m: m.signed(Ed25519PrivateKey.generate()),
}
SPELLINGS: dict[str, Callable[[Material], str]] = {
    "another person's payload": lambda m: (
        f"{m.parts[0]}.{encoded({**m.claims, 'sub': str(m.user_id), 'tenant': m.tenant_id})}.{m.parts[2]}"
    ),
    "the signature of another token": lambda m: f"{m.parts[0]}.{m.parts[1]}.{m.other.split('.')[2]}",
    "no signature": lambda m: f"{m.parts[0]}.{m.parts[1]}.",
    "two parts": lambda m: f"{m.parts[0]}.{m.parts[1]}",
    "four parts": lambda m: f"{m.good}.{m.parts[2]}",
    "five parts": lambda m: f"{m.good}.{m.parts[1]}.{m.parts[2]}",
    "half a signature": lambda m: m.good[:-43],
    "a signature of zeros": lambda m: f"{m.parts[0]}.{m.parts[1]}.{base64url(bytes(64))}",
    "a longer signature": lambda m: f"{m.good}AAAA",
    "a space in it": lambda m: m.good.replace(".", ". "),
    "padding": lambda m: f"{m.good}=",
    "quotes": lambda m: f'"{m.good}"',
    "twice, with a space": lambda m: f"{m.good} {m.good}",
    "twice, with a comma": lambda m: f"{m.good}, Bearer {m.good}",
    "JSON": lambda m: json.dumps({"payload": m.parts[1], "protected": m.parts[0], "signature": m.parts[2]}),
    "dots": lambda m: "..",
    "percent signs": lambda m: m.good.replace(".", "%2e"),
}
FORGED = {
    f"{kind}: {name}": forge
    for kind, table in (("algorithm", ALGORITHMS), ("header", HEADERS), ("claims", CLAIMS), ("spelling", SPELLINGS))
    for name, forge in table.items()
}
