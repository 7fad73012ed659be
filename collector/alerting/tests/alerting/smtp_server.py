"""A real SMTP server for the tests: prints its port, then every mail it takes as one line of JSON.

One argument, JSON: certificate and key (offers STARTTLS and demands it), user and password (demands AUTH),
refusals (how many mails are put off with 451 first), filter_seconds (how long a mail is looked at before it is taken),
clear (takes a password without TLS), address (where it listens).
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

options = json.loads(sys.argv[1])


class Handler:
    refusals = options.get("refusals", 0)

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        await asyncio.sleep(options.get("filter_seconds", 0))
        put_off = self.refusals > 0
        self.refusals -= 1
        part = lambda kind: body.get_content() if (body := mail.get_body((kind,))) else None
        said = {
            "taken": not put_off,
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": str(mail["subject"]),
            "message_id": str(mail["message-id"]),
            "header": str(mail["x-province"]),
            "text": part("plain"),
            "html": part("html"),
            "encrypted": session.ssl is not None,
        }
        print(json.dumps(said), flush=True)
        return "451 come back later" if put_off else "250 taken"


def authenticate(server, session, envelope, mechanism, login):
    known = (options.get("user", "").encode(), options.get("password", "").encode())
    return AuthResult(success=(login.login, login.password) == known)


def protocol():
    context = None
    if "certificate" in options:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options["certificate"], options["key"])
    return SMTP(
        handler,
        hostname="mail.example",
        tls_context=context,
        require_starttls=context is not None,
        authenticator=authenticate,
        auth_required="user" in options,
        auth_require_tls="clear" not in options,
    )


async def main():
    server = await asyncio.get_running_loop().create_server(protocol, options.get("address", "127.0.0.1"), 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


handler = Handler()
asyncio.run(main())
