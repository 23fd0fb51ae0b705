"""The provider of identities that is set, if one is."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from inspection.domain.identity import Provider, roles_of
from inspection.errors import ConfigurationError
from inspection.settings import Settings

if TYPE_CHECKING:
    from inspection.api.openid import OpenId

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def provider(settings: Settings) -> Provider | None:
    """Return the provider of identities; None when none is set.

    Raises:
        ConfigurationError: what is set about it is not all, or cannot be used.
    """
    parts = {
        "INSPECTION_OIDC_ISSUER": settings.oidc_issuer,
        "INSPECTION_OIDC_CLIENT_ID": settings.oidc_client_id,
        "INSPECTION_OIDC_CLIENT_SECRET": settings.oidc_client_secret,
        "INSPECTION_OIDC_ROLES": settings.oidc_roles,
    }
    if not any(parts.values()):
        return None
    if missing := [name for name, value in parts.items() if not value]:
        raise ConfigurationError(f"to sign in with OpenID Connect, set {', '.join(missing)} too")
    address = urlsplit(settings.oidc_issuer or "")
    is_near = address.scheme == "http" and address.hostname in _LOOPBACK
    if address.hostname is None or not (address.scheme == "https" or is_near):
        raise ConfigurationError(
            f"INSPECTION_OIDC_ISSUER: {settings.oidc_issuer} is no https:// address; "
            "anybody could speak for it"
        )
    try:
        roles = roles_of(settings.oidc_roles or "")
    except ConfigurationError as error:
        raise ConfigurationError(f"INSPECTION_OIDC_ROLES: {error}") from error
    return Provider(
        issuer=settings.oidc_issuer or "",
        client_id=settings.oidc_client_id or "",
        client_secret=settings.oidc_client_secret or "",
        role_claim=settings.oidc_role_claim,
        roles=roles,
    )


def openid(settings: Settings) -> "OpenId | None":
    """Return what talks to the provider; None when none is set.

    Raises:
        ConfigurationError: as for `provider`.
    """
    found = provider(settings)
    if found is None:
        return None
    from inspection.api.openid import OpenId

    return OpenId(found)
