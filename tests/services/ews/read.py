#!/usr/bin/env python3
"""Reads a mailbox with exchangelib, a client that nobody here wrote, and prints what is in its Inbox as a line of JSON for each item.

usage: read.py PORT CA_FILE MAILBOX"""
import json, os, sys

port, ca, mailbox = sys.argv[1:4]
os.environ["REQUESTS_CA_BUNDLE"] = ca
from exchangelib import BASIC, IMPERSONATION, Account, Configuration, Credentials, EWSTimeZone, ExtendedProperty, FailFast, FileAttachment, Message, Version
from exchangelib.version import EXCHANGE_2019


def extended(name, **how):
    Message.register(name, type(name, (ExtendedProperty,), how))


extended("number", property_tag=0x6802, property_type="String")
extended("header", distinguished_property_set_id="InternetHeaders", property_name="X-CallID", property_type="String")
configuration = Configuration(
    service_endpoint=f"https://127.0.0.1:{port}/EWS/Exchange.asmx",
    credentials=Credentials("svc@corp.test", "pw"),
    auth_type=BASIC,
    version=Version(build=EXCHANGE_2019),
    retry_policy=FailFast(),
    max_connections=1,
)
account = Account(mailbox, config=configuration, autodiscover=False, access_type=IMPERSONATION, default_timezone=EWSTimeZone("UTC"))
wanted = ("item_class", "subject", "body", "attachments", "has_attachments", "author", "message_id", "is_read", "number", "header")
for item in account.inbox.all().only(*wanted):
    files = [a for a in item.attachments or [] if isinstance(a, FileAttachment)]
    print(json.dumps({
        "class": item.item_class, "subject": item.subject, "body": str(item.body), "read": item.is_read, "from": item.author.email_address,
        "name": item.author.name, "id": item.message_id, "number": item.number, "header": item.header,
        "attachments": [[a.name, a.content_type, a.content.decode("latin-1")] for a in files],
    }), flush=True)
