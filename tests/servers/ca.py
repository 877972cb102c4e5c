"""A certificate authority for tests: good, expired, misnamed and foreign server certificates for loopback.

The certificates carry every extension that strict verification (Python 3.13's default) asks for, so that a test
fails for the reason that it names and for no other.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOOPBACK = ("localhost", "127.0.0.1")
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class ServerCertificate:
    """A certificate (with its issuer's behind it) and its private key, both PEM."""

    certificate: bytes
    key: bytes

    def context(self) -> ssl.SSLContext:
        """A server's TLS context with this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(suffix=".pem") as both:  # ssl reads files alone
            both.write(self.certificate + self.key)
            both.flush()
            context.load_cert_chain(both.name)
        return context


class CertificateAuthority:
    """A root of its own, made at construction (P-256: a few milliseconds)."""

    def __init__(self, name: str = "mailwhy test CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        public = self._key.public_key()
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 400 * _DAY)  # an expired certificate must have been valid under it
            .not_valid_after(now + 30 * _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        """The root's certificate, for a client's `ca_file`."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, *names: str, starts: dt.timedelta = -_DAY, ends: dt.timedelta = 20 * _DAY) -> ServerCertificate:
        """A server certificate for `names`: host names or IP addresses; left out: those of loopback.

        It is valid from now + `starts` to now + `ends`.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        wanted = names or LOOPBACK
        issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted[0])]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + starts)
            .not_valid_after(now + ends)
            .add_extension(x509.SubjectAlternativeName([_name(one) for one in wanted]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(issuer_id, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return ServerCertificate(
            certificate.public_bytes(serialization.Encoding.PEM) + self.pem,
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )


@dataclass(frozen=True)
class Certificates:
    """The set that TLS tests need. `ca_file` is what a client trusts; `foreign` is signed by another authority."""

    ca_file: Path
    good: ServerCertificate
    expired: ServerCertificate
    misnamed: ServerCertificate
    foreign: ServerCertificate

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        """A fresh set, its root's certificate written into `folder`."""
        authority = CertificateAuthority()
        ca_file = folder / "ca.pem"
        ca_file.write_bytes(authority.pem)
        return cls(
            ca_file=ca_file,
            good=authority.issue(),
            expired=authority.issue(starts=-300 * _DAY, ends=-_DAY),
            misnamed=authority.issue("mail.elsewhere.example"),
            foreign=CertificateAuthority("another CA").issue(),
        )

    def client_context(self) -> ssl.SSLContext:
        """A client's context that trusts this set's root and nothing else."""
        return ssl.create_default_context(cafile=str(self.ca_file))


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        key_cert_sign=certificates,
        crl_sign=certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
