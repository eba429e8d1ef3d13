#!/usr/bin/env python3
"""An Exchange server for tests: EWS over HTTPS on 127.0.0.1. Every request and every answer is checked against the published schema.

usage: emulator.py PORT XSDDIR CERT KEY
  POST /EWS/Exchange.asmx   as whom ExchangeImpersonation names: CreateItem, FindItem by an extended property or of a whole folder;
                            GetFolder, GetItem and GetAttachment for clients that read what is there
  POST /contacts {mailbox: [{"name": ..., "numbers": {"MobilePhone": ...}}]}   listed by FindItem in the folder "contacts"
  POST /calendars {mailbox: {"events": [[start, end, "Busy", subject or null, is_meeting]], "bare": false} or "ErrorX"}   for GetUserAvailability;
                            times are seconds since 1970; "bare": digits alone, as for whoever may see no more
  POST /fault {"next": [{"kind": ...}]}   one per request: busy(ms) fault(value) http(code, retry_after) drop drop-after hang-after garbage code(value)
  GET  /state               {"box": {mailbox: [item]}, "stats": {...}}
Credentials: Basic svc@corp.test:pw, NTLM CORP\\svc:pw (bound to the certificate, where pyspnego is installed), Bearer good."""
import base64, calendar, email, email.policy, hashlib, itertools, json, os, ssl, sys, tempfile, threading, time, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from lxml import etree
try:
    import spnego
    from spnego.channel_bindings import GssChannelBindings
except ImportError:
    spnego = None

port, xsd, cert, key = int(sys.argv[1]), *sys.argv[2:5]
M = "http://schemas.microsoft.com/exchange/services/2006/messages"
T = "http://schemas.microsoft.com/exchange/services/2006/types"
S = "http://schemas.xmlsoap.org/soap/envelope/"
ERRORS = "http://schemas.microsoft.com/exchange/services/2006/errors"
NS = {"m": M, "t": T, "s": S}
schema = etree.XMLSchema(etree.parse(xsd + "/messages.xsd"))
types = etree.XMLSchema(etree.parse(xsd + "/types.xsd"))
lock, box, faults, people, calendars = threading.Lock(), {}, [], {}, {}
stats = {"requests": 0, "bad_requests": 0, "bad_responses": 0, "find": 0, "contacts": 0, "create": 0, "ntlm": 0, "availability": 0, "mailboxes": 0}
parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
users = tempfile.NamedTemporaryFile("w", delete=False)
users.write("CORP:svc:pw\n")
users.close()
os.environ["NTLM_USER_FILE"] = users.name
der = ssl.PEM_cert_to_DER_cert(open(cert).read().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")
BINDING = b"tls-server-end-point:" + hashlib.sha256(der).digest()


def q(ns, name):
    return "{%s}%s" % (ns, name)


def E(parent, ns, name, text=None, **attributes):
    element = etree.SubElement(parent, q(ns, name), **attributes)
    element.text = text
    return element


def message(op, success=True, count=1):
    root = etree.Element(q(M, op + "Response"), nsmap={"m": M, "t": T})
    parent = E(root, M, "ResponseMessages")
    kind = "Success" if success else "Error"
    return root, [E(parent, M, op + "ResponseMessage", ResponseClass=kind) for _ in range(count)]


def refused(op, code, back_off=None):
    root, [one] = message(op, False)
    E(one, M, "MessageText", "injected")
    E(one, M, "ResponseCode", code)
    E(one, M, "DescriptiveLinkKey", "0")
    if back_off is not None:
        E(E(one, M, "MessageXml"), T, "Value", str(back_off), Name="BackOffMilliseconds")
    if op == "CreateItem":
        E(one, M, "Items")
    return root


def field(uri):
    return uri.get("PropertyTag") or uri.get("PropertyName")


def create(body, mailbox):
    stats["create"] += 1
    root, [one] = message("CreateItem")
    [item] = body.find("m:Items", NS)
    text = lambda name: item.findtext("t:" + name, namespaces=NS)
    kept = {
        "id": base64.b64encode(uuid.uuid4().bytes).decode(), "class": text("ItemClass"), "subject": text("Subject"),
        "mime": text("MimeContent"), "read": text("IsRead"),
        "folder": body.find("m:SavedItemFolderId/t:DistinguishedFolderId", NS).get("Id"),
        "ext": {field(e.find("t:ExtendedFieldURI", NS)): e.findtext("t:Value", namespaces=NS) for e in item.findall("t:ExtendedProperty", NS)},
    }
    with lock:
        box.setdefault(mailbox, []).append(kept)
    E(one, M, "ResponseCode", "NoError")
    E(E(E(one, M, "Items"), T, "Message"), T, "ItemId", Id=kept["id"], ChangeKey="Y2s=")
    return root


def contacts(body, mailbox):
    stats["contacts"] += 1
    view = body.find("m:IndexedPageItemView", NS)
    first, most = int(view.get("Offset")), int(view.get("MaxEntriesReturned"))
    asked = {uri.get("FieldIndex") for uri in body.iterfind(".//t:IndexedFieldURI", NS)}
    known = people.get(mailbox, [])
    end = min(first + most, len(known))
    root, [one] = message("FindItem")
    E(one, M, "ResponseCode", "NoError")
    paging = {"IndexedPagingOffset": str(end), "TotalItemsInView": str(len(known)), "IncludesLastItemInRange": str(end == len(known)).lower()}
    items = E(E(one, M, "RootFolder", **paging), T, "Items")
    for person in known[first:end]:
        contact = E(items, T, "Contact")
        E(contact, T, "DisplayName", person["name"])
        numbers = E(contact, T, "PhoneNumbers")
        for key, number in person["numbers"].items():
            if key in asked:
                E(numbers, T, "Entry", number, Key=key)
    return root


def find(body, mailbox):
    if body.find("m:ParentFolderIds", NS)[0].get("Id") == "contacts":
        return contacts(body, mailbox)
    stats["find"] += 1
    folders = [f.get("Id").removeprefix("F-") for f in body.find("m:ParentFolderIds", NS)]
    equal = body.find("m:Restriction/t:IsEqualTo", NS)
    if equal is None:
        return listed(folders, mailbox)
    name, wanted = field(equal.find("t:ExtendedFieldURI", NS)), equal.find("t:FieldURIOrConstant/t:Constant", NS).get("Value")
    root, ones = message("FindItem", count=len(folders))
    for folder, one in zip(folders, ones):
        with lock:
            hits = [i for i in box.get(mailbox, []) if i["folder"] == folder and i["ext"].get(name) == wanted]
        E(one, M, "ResponseCode", "NoError")
        items = E(E(one, M, "RootFolder", TotalItemsInView=str(len(hits)), IncludesLastItemInRange="true"), T, "Items")
        for hit in hits:
            item = E(items, T, "Message")
            E(item, T, "ItemId", Id=hit["id"], ChangeKey="Y2s=")
            extended = E(item, T, "ExtendedProperty")
            extended.append(etree.fromstring(etree.tostring(equal.find("t:ExtendedFieldURI", NS))))
            E(extended, T, "Value", hit["ext"][name])
    return root


def listed(folders, mailbox):
    root, ones = message("FindItem", count=len(folders))
    for folder, one in zip(folders, ones):
        with lock:
            hits = [i for i in box.get(mailbox, []) if i["folder"] == folder]
        E(one, M, "ResponseCode", "NoError")
        parent = E(one, M, "RootFolder", TotalItemsInView=str(len(hits)), IncludesLastItemInRange="true", IndexedPagingOffset=str(len(hits)))
        items = E(parent, T, "Items")
        for hit in hits:
            E(E(items, T, "Message"), T, "ItemId", Id=hit["id"], ChangeKey="Y2s=")
    return root


def folder(body, mailbox):
    wanted = [f.get("Id").removeprefix("F-") for f in body.find("m:FolderIds", NS)]
    root, ones = message("GetFolder", count=len(wanted))
    for name, one in zip(wanted, ones):
        E(one, M, "ResponseCode", "NoError")
        found = E(E(one, M, "Folders"), T, "Folder")
        E(found, T, "FolderId", Id="F-" + name, ChangeKey="AQ==")
        if name != "root":
            E(found, T, "ParentFolderId", Id="F-root", ChangeKey="AQ==")
        for field_name, text in (("FolderClass", "IPF.Note"), ("DisplayName", name), ("TotalCount", "0"), ("ChildFolderCount", "0")):
            E(found, T, field_name, text)
        E(found, T, "UnreadCount", "0")
    return root


def mail_of(item):
    return email.message_from_bytes(base64.b64decode(item["mime"]), policy=email.policy.default)


def items_of(body, mailbox):
    ids = [i.get("Id") for i in body.find("m:ItemIds", NS)]
    root, ones = message("GetItem", count=len(ids))
    for wanted, one in zip(ids, ones):
        [item] = [i for i in box.get(mailbox, []) if i["id"] == wanted]
        mail = mail_of(item)
        E(one, M, "ResponseCode", "NoError")
        found = E(E(one, M, "Items"), T, "Message")
        E(found, T, "ItemId", Id=item["id"], ChangeKey="Y2s=")
        E(found, T, "ItemClass", item["class"])
        E(found, T, "Subject", item["subject"])
        E(found, T, "Body", mail.get_body(("html",)).get_content(), BodyType="HTML")
        parts = list(mail.iter_attachments())
        if parts:
            attachments = E(found, T, "Attachments")
        for number, part in enumerate(parts):
            attached = E(attachments, T, "FileAttachment")
            E(attached, T, "AttachmentId", Id="%s.%d" % (item["id"], number))
            E(attached, T, "Name", part.get_filename())
            E(attached, T, "ContentType", part.get_content_type())
        E(found, T, "HasAttachments", "true" if parts else "false")
        for name, value in item["ext"].items():
            if not name.startswith(("0x", "X-")):
                continue
            extended = E(found, T, "ExtendedProperty")
            if name.startswith("0x"):
                E(extended, T, "ExtendedFieldURI", PropertyTag=name, PropertyType="Integer" if name in ("0x0E07", "0x6801") else "String")
            else:
                E(extended, T, "ExtendedFieldURI", DistinguishedPropertySetId="InternetHeaders", PropertyName=name, PropertyType="String")
            E(extended, T, "Value", value)
        sender = mail["From"].addresses[0]
        mailbox_of = E(E(found, T, "From"), T, "Mailbox")
        E(mailbox_of, T, "Name", sender.display_name)
        E(mailbox_of, T, "EmailAddress", sender.addr_spec)
        E(found, T, "InternetMessageId", mail["Message-ID"])
        E(found, T, "IsRead", item["read"])
    return root


def attachments_of(body, mailbox):
    ids = [i.get("Id") for i in body.find("m:AttachmentIds", NS)]
    root, ones = message("GetAttachment", count=len(ids))
    for wanted, one in zip(ids, ones):
        item_id, number = wanted.rsplit(".", 1)
        [item] = [i for kept in box.values() for i in kept if i["id"] == item_id]
        part = list(mail_of(item).iter_attachments())[int(number)]
        E(one, M, "ResponseCode", "NoError")
        found = E(E(one, M, "Attachments"), T, "FileAttachment")
        E(found, T, "AttachmentId", Id=wanted)
        E(found, T, "Name", part.get_filename())
        E(found, T, "ContentType", part.get_content_type())
        E(found, T, "Content", base64.b64encode(part.get_content()).decode())
    return root


def zone(parent, bias=0, change=0):
    E(parent, T, "Bias", str(bias))
    for name, more, month in (("StandardTime", 0, 11), ("DaylightTime", change, 3)):
        at = E(parent, T, name)
        for field_name, text in (("Bias", more), ("Time", "02:00:00"), ("DayOrder", 1), ("Month", month), ("DayOfWeek", "Sunday")):
            E(at, T, field_name, str(text))


def availability(body, mailbox):
    stats["availability"] += 1
    if body.findtext("t:TimeZone/t:Bias", namespaces=NS) != "0":
        return fault("ErrorInvalidTimeZone", "only UTC here")
    view = body.find("t:FreeBusyViewOptions", NS)
    utc = lambda text: calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))
    start, end = (utc(view.findtext("t:TimeWindow/t:%sTime" % name, namespaces=NS)) for name in ("Start", "End"))
    length = 60 * int(view.findtext("t:MergedFreeBusyIntervalInMinutes", namespaces=NS))
    asked = [a.text for a in body.iterfind("m:MailboxDataArray/t:MailboxData/t:Email/t:Address", NS)]
    stats["mailboxes"] += len(asked)
    if len(asked) > 100 or end - start < 24 * 3600 or end - start > 62 * 24 * 3600:
        return fault("ErrorInvalidRequest", "too many, too short or too long")
    root = etree.Element(q(M, "GetUserAvailabilityResponse"), nsmap={"m": M, "t": T})
    array = E(root, M, "FreeBusyResponseArray")
    for one in asked:
        known = calendars.get(one, {"events": []})
        response = E(array, M, "FreeBusyResponse")
        is_refused = isinstance(known, str)
        said = E(response, M, "ResponseMessage", ResponseClass="Error" if is_refused else "Success")
        if is_refused:
            E(said, M, "MessageText", "injected")
        E(said, M, "ResponseCode", known if is_refused else "NoError")
        if is_refused:
            E(said, M, "DescriptiveLinkKey", "0")
            continue
        shown, bare = E(response, M, "FreeBusyView"), known.get("bare", False)
        E(shown, T, "FreeBusyViewType", "MergedOnly" if bare else "DetailedMerged")
        rank = {"Tentative": 1, "Busy": 2, "OOF": 3}
        inside = lambda at: [rank[e[2]] for e in known["events"] if e[0] < at + length and e[1] > at]
        E(shown, T, "MergedFreeBusy", "".join(str(max(inside(at), default=0)) for at in range(start, end, length)))
        if bare:
            continue
        events = E(shown, T, "CalendarEventArray")
        for begin, until, busy, subject, meeting in known["events"]:
            event = E(events, T, "CalendarEvent")
            for name, at in (("StartTime", begin), ("EndTime", until)):
                E(event, T, name, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)))
            E(event, T, "BusyType", busy)
            if subject is not None:
                details = E(event, T, "CalendarEventDetails")
                fields = (("ID", "AAA"), ("Subject", subject), ("Location", "Room 1"), ("IsMeeting", str(meeting).lower()), ("IsRecurring", "false"),
                          ("IsException", "false"), ("IsReminderSet", "false"), ("IsPrivate", str(subject == "Private").lower()))
                for name, text in fields:
                    E(details, T, name, text)
        hours = E(shown, T, "WorkingHours")
        zone(E(hours, T, "TimeZone"), 480, -60)
        period = E(E(hours, T, "WorkingPeriodArray"), T, "WorkingPeriod")
        for name, text in (("DayOfWeek", "Monday Tuesday Wednesday Thursday Friday"), ("StartTimeInMinutes", "480"), ("EndTimeInMinutes", "1020")):
            E(period, T, name, text)
    return root


def envelope(body):
    root = etree.Element(q(S, "Envelope"), nsmap={"s": S})
    E(E(root, S, "Header"), T, "ServerVersionInfo", MajorVersion="15", MinorVersion="2", MajorBuildNumber="1118", MinorBuildNumber="7", Version="V2017_07_11")
    E(root, S, "Body").append(body)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def fault(code, text):
    root = etree.Element(q(S, "Fault"))
    etree.SubElement(root, "faultcode").text = "a:" + code
    etree.SubElement(root, "faultstring").text = text
    E(etree.SubElement(root, "detail"), ERRORS, "ResponseCode", code)
    return root


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One handler serves one connection: so NTLM's state belongs here.
    context = None

    def log_message(self, *_):
        pass

    def out(self, code, body=b"", headers=()):
        self.send_response(code)
        self.send_header("Content-Type", "text/xml; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/EWS/"):
            return self.out(401, headers=[("WWW-Authenticate", "NTLM"), ("WWW-Authenticate", "Basic realm=\"ews\"")])
        self.out(200, json.dumps({"box": box, "stats": stats, "ntlm": spnego is not None}).encode())

    def authenticated(self):
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic" and base64.b64decode(given) == b"svc@corp.test:pw":
            return True
        if kind == "Bearer" and given == "good":
            return True
        if kind == "NTLM" and spnego:
            try:
                if self.context is None:
                    binding = GssChannelBindings(application_data=BINDING)
                    self.context = spnego.server(protocol="ntlm", channel_bindings=binding)
                answer = self.context.step(base64.b64decode(given))
                if self.context.complete:
                    stats["ntlm"] += 1
                    self.context = None
                    return True
                self.out(401, headers=[("WWW-Authenticate", "NTLM " + base64.b64encode(answer).decode())])
                return False
            except Exception as error:
                print("NTLM refused", error, flush=True)
                self.context = None
        self.out(401, headers=[("WWW-Authenticate", "NTLM"), ("WWW-Authenticate", "Basic realm=\"ews\"")])
        return False

    def hang_up(self):
        self.connection.close()
        self.close_connection = True

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/fault":
            with lock:
                faults[:] = json.loads(raw)["next"]
            return self.out(200, b"{}")
        if self.path == "/contacts":
            with lock:
                people.update(json.loads(raw))
            return self.out(200, b"{}")
        if self.path == "/calendars":
            with lock:
                calendars.clear()
                calendars.update(json.loads(raw))
            return self.out(200, b"{}")
        if not self.authenticated():
            return
        stats["requests"] += 1
        with lock:
            now = faults.pop(0) if faults else {}
        kind = now.get("kind")
        if kind == "http":
            return self.out(now["code"], headers=[("Retry-After", str(now["retry_after"]))] if "retry_after" in now else [])
        if kind == "drop":
            return self.hang_up()
        if kind == "garbage":
            return self.out(200, b"<html>proxy error")
        code, answer = self.answered(raw, now)
        if kind == "drop-after":
            return self.hang_up()
        if kind == "hang-after":
            time.sleep(60)
        self.out(code, envelope(answer))

    def answered(self, raw, now):
        root = etree.fromstring(raw, parser)
        [body] = root.find("s:Body", NS)
        heads = list(root.find("s:Header", NS))
        op = etree.QName(body).localname
        if not schema.validate(etree.fromstring(etree.tostring(body), parser)) or not all(types.validate(etree.fromstring(etree.tostring(h))) for h in heads):
            stats["bad_requests"] += 1
            print("INVALID", schema.error_log, types.error_log, flush=True)
            return 500, fault("ErrorSchemaValidation", "invalid")
        mailbox = root.findtext("s:Header/t:ExchangeImpersonation/t:ConnectingSID/t:PrimarySmtpAddress", namespaces=NS)
        mailbox = mailbox or body.findtext(".//t:DistinguishedFolderId/t:Mailbox/t:EmailAddress", namespaces=NS)
        if now.get("kind") == "busy":
            answer = refused(op, "ErrorServerBusy", now["ms"])
        elif now.get("kind") == "code":
            answer = refused(op, now["value"])
        elif now.get("kind") == "fault":
            return 500, fault(now["value"], "injected")
        else:
            operations = {"CreateItem": create, "FindItem": find, "GetFolder": folder, "GetItem": items_of, "GetAttachment": attachments_of, "GetUserAvailabilityRequest": availability}
            answer = operations[op](body, mailbox)
        if answer.tag == "{%s}Fault" % S:
            return 500, answer
        if not schema.validate(etree.fromstring(etree.tostring(answer), parser)):
            stats["bad_responses"] += 1
            print("OUR ANSWER IS INVALID", schema.error_log, flush=True)
        return 200, answer


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", port), Handler)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(cert, key)
server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print("ready", flush=True)
server.serve_forever()
