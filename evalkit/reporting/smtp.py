"""Delivers messages to one SMTP server; every failure becomes a sentence with the fix."""

from __future__ import annotations

import os
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage

from evalkit.config import Settings
from evalkit.errors import DeliveryError

__all__ = ["Line", "connect"]

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Line:
    """An open, authenticated connection."""

    def __init__(self, server: smtplib.SMTP, where: str) -> None:
        self._server = server
        self._where = where

    def deliver(self, message: EmailMessage) -> list[str]:
        """Hand over one message; gives the addresses that the server refused (when it took others).

        Raises:
            DeliveryError: the server took it for nobody, or the line broke.
        """
        try:
            return sorted(self._server.send_message(message))
        except smtplib.SMTPRecipientsRefused as error:
            who, (code, text) = next(iter(error.recipients.items()))
            raise DeliveryError(
                f"{self._where}: nobody may receive the mail; {who}: {code} {_said(text)}. "
                f"Check [mail] to."
            ) from error
        except smtplib.SMTPSenderRefused as error:
            raise DeliveryError(
                f"{self._where}: the sender {error.sender} is refused: {error.smtp_code} "
                f"{_said(error.smtp_error)}. Check [mail] sender."
            ) from error
        except smtplib.SMTPDataError as error:
            raise DeliveryError(
                f"{self._where}: the message is refused: {error.smtp_code} "
                f"{_said(error.smtp_error)}."
            ) from error
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise DeliveryError(
                f"{self._where}: the line broke while the mail was handed over ({error}). It "
                f"stays owed."
            ) from error


@contextmanager
def connect(settings: Settings) -> Iterator[Line]:
    """Open the line that `[mail]` describes, and close it.

    Raises:
        DeliveryError: no connection, no encryption or no login; the message names host, port
            and the fix.
    """
    mail = settings.mail
    where = f"{mail.host}:{mail.port}"
    password = _password(settings)
    try:
        server = _opened(settings, where)
    except DeliveryError:
        raise
    except socket.gaierror as error:
        raise DeliveryError(
            f"{where}: no such host ({error.strerror}). Check [mail] host."
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise DeliveryError(
            f"{where}: its certificate is not trusted ({error.verify_message}). Name the issuing "
            "certificate in [mail] ca_file."
        ) from error
    except ssl.SSLError as error:
        raise DeliveryError(
            f"{where}: no encrypted line ({error.reason}). Port 465 speaks tls, port 587 starttls: "
            "check [mail] security."
        ) from error
    except smtplib.SMTPNotSupportedError as error:
        raise DeliveryError(
            f"{where}: the server offers no STARTTLS. Use [mail] security = 'tls', or 'none' on "
            f"a trusted network."
        ) from error
    except (OSError, smtplib.SMTPException) as error:
        # smtplib wraps a timeout that happens after the connection stands.
        if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
            raise DeliveryError(
                f"{where}: no answer within {mail.timeout_seconds:g} s. "
                "Check [mail] host, port and the firewall."
            ) from error
        raise DeliveryError(
            f"{where}: no connection ({error}). Is the mail server up? "
            "Check [mail] host, port and security."
        ) from error
    try:
        if mail.user is not None:
            _login(server, where, mail.user, password or "")
        yield Line(server, where)
    finally:
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
        server.close()


def _opened(settings: Settings, where: str) -> smtplib.SMTP:
    mail = settings.mail
    host = str(mail.host)
    trust = _trust(settings)
    if mail.security == "tls":
        return smtplib.SMTP_SSL(host, mail.port, timeout=mail.timeout_seconds, context=trust)
    server = smtplib.SMTP(host, mail.port, timeout=mail.timeout_seconds)
    try:
        if mail.security == "starttls":
            server.starttls(context=trust)
        elif mail.user is not None and host not in _LOOPBACK:
            raise DeliveryError(
                f"{where}: [mail] security = 'none' would show the password to the network. Use "
                f"'starttls' or 'tls'."
            )
    except BaseException:
        server.close()
        raise
    return server


def _trust(settings: Settings) -> ssl.SSLContext:
    mail = settings.mail
    if mail.ca_file is None:
        return ssl.create_default_context()
    path = settings.path(mail.ca_file)
    try:
        return ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError) as error:
        raise DeliveryError(
            f"[mail] ca_file: {path}: no certificates to read there ({error})."
        ) from error


def _password(settings: Settings) -> str | None:
    mail = settings.mail
    if mail.user is None:
        return None
    if mail.password_env is None:
        raise DeliveryError(
            f"{mail.host}:{mail.port}: [mail] user is set but not password_env, the environment "
            f"variable that "
            "holds the password."
        )
    password = os.environ.get(mail.password_env)
    if not password:
        raise DeliveryError(
            f"{mail.host}:{mail.port}: the environment variable {mail.password_env} ([mail] "
            f"password_env) is "
            "not set. Set it where the night is started."
        )
    return password


def _login(server: smtplib.SMTP, where: str, user: str, password: str) -> None:
    try:
        server.login(user, password)
    except smtplib.SMTPAuthenticationError as error:
        raise DeliveryError(
            f"{where}: user {user} is not let in ({error.smtp_code} {_said(error.smtp_error)}). "
            "Check [mail] user and the password in its environment variable."
        ) from error
    except smtplib.SMTPNotSupportedError as error:
        raise DeliveryError(
            f"{where}: the server offers no login here. Remove [mail] user, or use tls."
        ) from error
    except (smtplib.SMTPException, OSError, UnicodeError) as error:
        raise DeliveryError(f"{where}: the login failed ({type(error).__name__}).") from error


def _said(text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join(words.split())[:200]
