"""A real mail server on loopback that keeps what it is sent: says its port, then a line of JSON for each message.
It ends with its standard input."""

import argparse
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

options = argparse.ArgumentParser()
options.add_argument("--port", type=int, default=0)
options.add_argument("--certificate", help="offers STARTTLS with this certificate")
options.add_argument("--key")
options.add_argument("--implicit", action="store_true", help="TLS from the first byte")
options.add_argument("--user")
options.add_argument("--password")
options.add_argument("--refuse", help="an answer to every message, with what follows #token= in it")
options = options.parse_args()


class Handler:
    async def handle_DATA(self, server, session, envelope):
        data = envelope.original_content.decode("utf-8")
        if options.refuse:
            whole = data.replace("=\r\n", "").replace("=3D", "=")
            return f"{options.refuse} {whole[whole.find('#token=') :][:60]}"
        seen = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "data": data,
            "encrypted": session.ssl is not None or options.implicit,
            "user": getattr(session, "known_as", None),
        }
        print(json.dumps(seen), flush=True)
        return "250 kept"


def authenticate(server, session, envelope, mechanism, given):
    user, password = given.login.decode(), given.password.decode()
    good = (user, password) == (options.user, options.password)
    session.known_as = user if good else None
    return AuthResult(success=good, handled=good)


context = None
if options.certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.certificate, options.key)


def conversation():
    return SMTP(
        Handler(),
        hostname="sink.example",
        enable_SMTPUTF8=True,
        tls_context=None if options.implicit else context,
        authenticator=authenticate if options.user else None,
        auth_required=bool(options.user),
        auth_require_tls=False,
    )


async def serve():
    loop = asyncio.get_running_loop()
    tls = context if options.implicit else None
    server = await loop.create_server(conversation, "127.0.0.1", options.port, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(serve())
