"""Signing in at a provider of identities: OpenID Connect, authorization code with PKCE."""

import hashlib
import ssl
from http import HTTPStatus
from typing import Any, Final

import httpx2
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.starlette_client import OAuth, StarletteOAuth2App
from fastapi import Request
from fastapi.responses import RedirectResponse
from itsdangerous import BadSignature, URLSafeTimedSerializer
from joserfc.errors import JoseError
from joserfc.jws import extract_compact

from inspection.api import cookies
from inspection.domain.identity import Provider
from inspection.errors import UnauthenticatedError, UnavailableError
from inspection.telemetry import logger

#: What signs tokens: with keys that only the provider has.
ALGORITHMS: Final = frozenset(
    {*("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), *("ES256", "ES384", "EdDSA")}
)
#: A sign-in at the provider takes no longer.
UNDER_WAY_S: Final = 600
#: The provider answers within so many seconds.
ANSWER_S: Final = 10.0
#: How far the provider's clock may be from ours.
LEEWAY_S: Final = 60
#: Where the provider sends browsers back to, below this server's address.
CALLBACK: Final = "/api/v1/openid/callback"

Claims = dict[str, Any]


class OpenId:
    """Talks to one provider; what a browser brings back is believed only if all of it fits."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._app: StarletteOAuth2App = OAuth().register(
            "openid",
            client_id=provider.client_id,
            client_secret=provider.client_secret,
            server_metadata_url=f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid profile email",
                "code_challenge_method": "S256",
                "timeout": ANSWER_S,
                # One for all requests; trusts whom this machine trusts, a plant's authority, too.
                "verify": ssl.create_default_context(),
            },
        )
        # Every process of this server has the client's secret, so each reads the others' cookies.
        key = hashlib.sha256(f"inspection openid {provider.client_secret}".encode()).digest()
        self._serializer = URLSafeTimedSerializer(key, signer_kwargs={"digest_method": _sha256})

    async def begin(self, request: Request) -> RedirectResponse:
        """Send a browser to the provider; its cookie keeps state, nonce and PKCE's verifier.

        Raises:
            UnavailableError: the provider does not answer, or not as one.
        """
        request.scope["session"] = {}
        back = f"{request.url.scheme}://{request.url.netloc}{CALLBACK}"
        try:
            found: RedirectResponse = await self._app.authorize_redirect(request, back)
        except (httpx2.HTTPError, OAuthError, RuntimeError, ValueError) as error:
            raise self._away(error) from error
        response = RedirectResponse(found.headers["location"], HTTPStatus.SEE_OTHER)
        kept = self._serializer.dumps(request.session)
        cookies.keep(request, response, cookies.OPENID, _text(kept), max_age_s=UNDER_WAY_S)
        return response

    async def finish(self, request: Request) -> Claims:
        """Return what the provider says about whoever it has sent back.

        Raises:
            UnauthenticatedError: this browser did not begin it, it took too long, or what comes
                back is not the provider's word to us about this very sign-in.
            UnavailableError: the provider does not answer.
        """
        request.scope["session"] = self._begun(request)
        issuer, client_id = self.provider.issuer, self.provider.client_id
        options = {
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": client_id},
            "exp": {"essential": True},
        }
        try:
            token: Claims = await self._app.authorize_access_token(
                request, claims_options=options, leeway=LEEWAY_S
            )
            header = extract_compact(str(token.get("id_token")).encode()).headers()
        except httpx2.HTTPError as error:
            raise self._away(error) from error
        except (OAuthError, JoseError, RuntimeError, ValueError) as error:
            raise _refused(str(error)) from error
        claims = token.get("userinfo")
        if not claims or header.get("alg") not in ALGORITHMS:
            raise _refused("no signed token")
        return dict(claims)

    def _begun(self, request: Request) -> Claims:
        kept = cookies.read(request, cookies.OPENID)
        try:
            begun = self._serializer.loads(kept or "", max_age=UNDER_WAY_S)
        except BadSignature as error:
            raise _refused("not begun in this browser, or too long ago") from error
        return dict(begun)

    def _away(self, error: Exception) -> UnavailableError:
        logger().warning("openid_unavailable", issuer=self.provider.issuer, why=str(error))
        return UnavailableError("the provider of identities does not answer; try again later")


def _refused(why: str) -> UnauthenticatedError:
    logger().warning("openid_refused", why=why)
    return UnauthenticatedError("the provider of identities did not sign you in; begin again")


def _text(kept: str | bytes) -> str:
    return kept if isinstance(kept, str) else kept.decode()


def _sha256(data: bytes = b"") -> Any:
    return hashlib.sha256(data)
